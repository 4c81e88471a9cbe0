#include "smtpd/server.h"

#include <sys/socket.h>

#include "common/access/replies.h"
#include "smtpd/proxy_reader.h"

namespace postern::smtpd {
namespace {

constexpr Millis flush_limit = Seconds(30);
constexpr Millis room_limit = Seconds(30);
// For so long nobody asks again whether there is room for a small message. A
// full disk is noticed in any case when the message is written.
constexpr Millis room_stays = Seconds(1);
constexpr std::int64_t small_message = 1 << 20;

}  // namespace

Server::Server(Service& service)
    : service_(service),
      row_(SessionRow::of(service)),
      lookup_(service),
      router_(row_.config, lookup_),
      policies_(row_.log,
                [&service](config::Endpoint endpoint, Millis limit) {
                  return service.dial(std::move(endpoint), limit);
                }),
      content_(service, row_.config.get<"cleanup_service_name">()),
      flush_(service, row_.config.get<"flush_service_name">()),
      room_(service, row_.config.get<"cleanup_service_name">()),
      keys_(service) {
  const config::Config& config = row_.config;
  relaxed_ = std::make_shared<Settings>(Settings::read(config, row_.log));
  stressed_ = std::make_shared<Settings>(Settings::read(
      config.with_overrides({{"stress", "yes"}}), row_.log));
  current_ = relaxed_;
  most_sessions_ = config.get<"smtpd_sessions_per_process">();
  const std::string fault = relay_protection_fault(relaxed_->restrictions);
  if (!fault.empty()) service.log().fatal(std::string_view(fault));
  const SaslSettings& sasl = relaxed_->sasl;
  if (!sasl.fault.empty()) service.log().fatal(std::string_view(sasl.fault));
  backend_ = make_backend(service, sasl);
  authentication_ = std::make_unique<AuthService>(*backend_, row_.log);
  const bool screens = service.row().program == "postscreen";
  proxy_ = screens ? UpstreamProxy::of_screen(service.config(), service.log())
                   : UpstreamProxy::of_sessions(config, service.log());
  if (screens) {
    screening_ =
        std::make_unique<Screening>(service, lookup_, tls_, most_sessions_);
    screening_->when_stressed([this] { choose_settings(); });
    most_sessions_ = screening_->most_connections();
  }
  warn_of_missing_parts();
  preload();
  prepare_tls();
  service.when_stressed([this](bool on) {
    stress_ = on;
    choose_settings();
  });
  service.when_drained([this] { drain(); });
}

// Nothing is opened once the process is locked.
void Server::preload() {
  router_.load();
  if (screening_) screening_->preload();
  relaxed_->open_tables();
  stressed_->open_tables();
  std::vector<std::string> maps{relaxed_->command_filter,
                                relaxed_->discard_maps,
                                relaxed_->reject_footer_maps};
  for (std::string& name : relaxed_->table_names())
    maps.push_back(std::move(name));
  for (const std::string& each : maps) {
    if (each.empty()) continue;
    const Status done = lookup_.preload(each);
    if (!done)
      service_.log().warning("{}: {}", each, done.trouble().text);
  }
}

void Server::warn_of_missing_parts() const {
  const config::Config& config = row_.config;
  const auto say = [this](const char* parameter) {
    service_.log().warning("{} is set, but is not available in this version",
                           parameter);
  };
  if (!config.text("smtpd_proxy_filter").empty()) say("smtpd_proxy_filter");
}

// Before the process is locked: OpenSSL and we read files here.
void Server::prepare_tls() {
  const tls::ServerSettings& settings = relaxed_->tls;
  if (!settings.offered) return;
  for (const std::string& remark : settings.remarks)
    service_.log().warning(std::string_view(remark));
  Status started = tls::start_library(service_.config());
  if (started) {
    Result<std::shared_ptr<tls::ServerContext>> made =
        tls::ServerContext::make(settings, &keys_, service_.log());
    if (made) tls_ = std::move(*made);
    else started = made.trouble();
  }
  if (!started)
    service_.log().warning("{}: disabling TLS support",
                           started.trouble().text);
}

// So that what is wrong with a certificate is logged before a client comes.
Task<void> Server::warm_up() {
  Status ready = co_await tls_->prepare();
  if (!ready)
    service_.log().warning("TLS is not available to clients until this is "
                           "repaired");
}

void Server::start() {
  if (tls_) nursery_.start(warm_up());
  for (Listener& listener : service_.listeners())
    listening_.push_back(std::make_unique<Listening>(
        listener, service_.log(), [this] { return accepts(); },
        [this](Fd socket, bool passed) {
          arrived(std::move(socket), passed);
        }));
}

bool Server::accepts() const {
  return sessions_ < most_sessions_ && !service_.draining();
}

void Server::arrived(Fd socket, bool passed) {
  ++sessions_;
  nursery_.start(serve(std::move(socket), passed));
  if (sessions_ < most_sessions_ || full_) return;
  full_ = true;
  for (const auto& each : listening_) each->pause();
  service_.tell_load(sessions_, true);
}

Task<void> Server::serve(Fd socket, bool passed) {
  if (passed) {
    socket = co_await passed_descriptor(socket.get());
    if (!socket) {
      service_.log().warning("no connection came over the pass socket");
      ended();
      co_return;
    }
  }
  send_without_delay(socket.get());
  Client client = client_of(socket.get());
  if (passed) {
    co_await converse(std::move(socket), std::move(client));
    ended();
    co_return;
  }
  const bool known = co_await told_by_proxy(socket.get(), &client);
  if (known && screening_) {
    Client screened_client = client;
    socket = co_await screened(std::move(socket), std::move(screened_client));
  }
  if (known && socket) {
    co_await converse(std::move(socket), std::move(client));
    if (screening_) screening_->leave();
  }
  ended();
}

Task<void> Server::converse(Fd socket, Client client) {
  auto session = std::make_unique<Session>(
      std::move(socket), std::move(client), current_, *this, row_.log,
      row_.name);
  co_await session->run();
  session.reset();
}

Task<Fd> Server::screened(Fd socket, Client client) {
  co_return co_await screening_->run(std::move(socket), std::move(client));
}

// A proxy before us says who the client is. Others than those that may do so
// speak for themselves. False: no client is served.
Task<bool> Server::told_by_proxy(int socket, Client* client) {
  if (!proxy_.expected) co_return true;
  const Result<bool> believed = proxy_.peers.matches("", client->address);
  if (!believed)
    service_.log().warning("proxy_protocol_networks: {}",
                           believed.trouble().text);
  if (!believed) co_return false;
  if (!*believed) co_return true;
  const ProxyHeader header = co_await read_proxy_header(socket, proxy_.limit);
  if (header.state == ProxyHeader::State::done) {
    apply(header, client);
    co_return true;
  }
  const std::string said = unread(socket);
  service_.log().warning("haproxy read: {}{}{} (from [{}]:{})", header.problem,
                         said.empty() ? "" : ": ", said, client->address,
                         client->port);
  const std::string text = access::wire_form(proxy_.failure);
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
  drop_input(socket);
  co_return false;
}

void Server::choose_settings() {
  const bool stressed =
      stress_ || (screening_ && screening_->stressed());
  current_ = stressed ? stressed_ : relaxed_;
  if (screening_) screening_->choose(stressed);
}

void Server::ended() {
  --sessions_;
  if (service_.draining()) {
    if (sessions_ == 0) service_.finished();
    return;
  }
  if (!full_) return;
  full_ = false;
  for (const auto& each : listening_) each->resume();
  service_.tell_load(sessions_, false);
}

// Who is being served is served to the end; a successor takes the others.
void Server::drain() {
  listening_.clear();
  service_.listeners().clear();
  if (sessions_ == 0) service_.finished();
}

Task<ipc::ClientNameAnswer> Server::client_name(std::string address) {
  co_return co_await lookup_.client_name(std::move(address));
}

Task<Result<ipc::AnvilAnswer>> Server::count(std::string event,
                                             std::string client) {
  co_return co_await lookup_.anvil(std::move(event), std::move(client));
}

Task<Result<ipc::TableAnswer>> Server::find(ipc::TableFind question) {
  const std::int64_t partial_from = question.partial_from;
  co_return co_await lookup_.find_first(std::move(question.maps),
                                        std::move(question.keys),
                                        partial_from);
}

Task<Result<route::Resolved>> Server::resolve(std::string sender,
                                              std::string recipient) {
  std::string from = router_.rewrite(sender, route::Context::local);
  std::string to = router_.rewrite(recipient, route::Context::local);
  co_return co_await router_.resolve(std::move(from), std::move(to));
}

Task<Result<route::Router::Known>> Server::known(std::string recipient,
                                                 route::Resolved resolved) {
  std::string address = router_.rewrite(recipient, route::Context::local);
  co_return co_await router_.recipient_known(std::move(address),
                                             std::move(resolved));
}

Task<ipc::DnsAnswer> Server::dns(std::string name, std::string type) {
  co_return co_await lookup_.dns(std::move(name), std::move(type));
}

Task<ipc::MailHostsAnswer> Server::host(std::string name) {
  ipc::MailHostsFind question;
  question.domain = std::move(name);
  question.use_mx = false;
  question.native = true;
  co_return co_await lookup_.mail_hosts(std::move(question));
}

Task<Result<ipc::VerifyAnswer>> Server::verify(ipc::VerifyFind question) {
  co_return co_await lookup_.verify(std::move(question));
}

Task<Result<std::string>> Server::policy(const PolicyService* service,
                                         std::string request) {
  co_return co_await policies_.ask(service, std::move(request));
}

Task<Result<ipc::RoomAnswer>> Server::room(std::int64_t size_hint) {
  const Clock::time_point now = Clock::now();
  if (size_hint <= small_message && now - room_asked_ < room_stays)
    co_return ipc::RoomAnswer();
  ipc::RoomFind question;
  question.size_hint = size_hint;
  Result<ipc::RoomAnswer> answer =
      co_await room_.ask(std::move(question), room_limit);
  if (answer && answer->room) room_asked_ = now;
  co_return std::move(answer);
}

Task<Result<ipc::FlushAnswer>> Server::flush(std::string site) {
  ipc::FlushRequest request;
  request.site = std::move(site);
  co_return co_await flush_.ask(std::move(request), flush_limit);
}

Task<Result<std::unique_ptr<ipc::Link>>> Server::borrow_content_link() {
  co_return co_await content_.borrow();
}

void Server::give_back(std::unique_ptr<ipc::Link> link) {
  content_.give_back(std::move(link));
}

}  // namespace postern::smtpd
