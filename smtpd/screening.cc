#include "smtpd/screening.h"

#include <ctime>

#include <algorithm>

#include "common/access/settings.h"
#include "common/base/text.h"

namespace postern::smtpd {
namespace {

// Postfix hands a connection over in as much time, or not at all.
constexpr Millis place_limit = Seconds(100);
// Beside those at the screen and in sessions: clients that are told to go.
constexpr std::int64_t most_leaving = 200;

UpstreamProxy make(const config::Config& config, const log::Log& log,
                   const char* name, const std::string& protocol, Millis limit,
                   std::string failure) {
  UpstreamProxy proxy;
  if (protocol.empty()) return proxy;
  if (!equal_nocase(protocol, "haproxy"))
    log.fatal(std::string(name) + ": unsupported proxy protocol \"" +
              protocol + "\"; haproxy is the one that is known");
  proxy.expected = true;
  proxy.limit = limit;
  proxy.failure = std::move(failure);
  proxy.peers = access::host_list(config, log, "proxy_protocol_networks");
  proxy.peers.open_tables(true);
  return proxy;
}

}  // namespace

SessionRow SessionRow::of(const Service& service) {
  const ServiceRow& own = service.row();
  if (own.program != "postscreen") return {own.name, own.config, own.log};
  const std::string name = own.config.get<"smtpd_service_name">();
  for (const ipc::RowWire& row : service.suite()) {
    if (row.name != name || row.type != "pass") continue;
    config::Config config = service.config_of(row);
    log::Log log(config.text("syslog_name") + "/" + row.program);
    return {row.name, std::move(config), std::move(log)};
  }
  own.log.warning("there is no \"{} pass\" row for the sessions behind {}: "
                  "they have the settings of its own row", name, own.name);
  return {own.name, own.config,
          log::Log(own.config.text("syslog_name") + "/smtpd")};
}

UpstreamProxy UpstreamProxy::of_sessions(const config::Config& config,
                                         const log::Log& log) {
  return make(config, log, "smtpd_upstream_proxy_protocol",
              config.get<"smtpd_upstream_proxy_protocol">(),
              config.get<"smtpd_upstream_proxy_timeout">(),
              "421 4.3.0 " + config.get<"myhostname">() +
                  " Server local error");
}

UpstreamProxy UpstreamProxy::of_screen(const config::Config& config,
                                       const log::Log& log) {
  return make(config, log, "postscreen_upstream_proxy_protocol",
              config.get<"postscreen_upstream_proxy_protocol">(),
              config.get<"postscreen_upstream_proxy_timeout">(),
              "421 4.3.2 No system resources");
}

Screening::Screening(Service& service, route::LookupClient& lookup,
                     const std::shared_ptr<tls::ServerContext>& tls,
                     std::int64_t sessions)
    : log_(service.log()),
      dnsblog_(service.log_as("dnsblog")),
      lookup_(lookup),
      tls_(tls),
      relaxed_(std::make_shared<ScreenSettings>(
          ScreenSettings::read(service.config(), service.log()))),
      tense_(std::make_shared<ScreenSettings>(ScreenSettings::read(
          service.config().with_overrides({{"stress", "yes"}}),
          service.log()))),
      current_(relaxed_),
      room_(relaxed_->pre_queue_limit),
      free_(sessions),
      sessions_(sessions) {}

void Screening::preload() {
  relaxed_->open_tables();
  tense_->open_tables();
  for (const std::string& maps : relaxed_->table_names()) {
    const Status done = lookup_.preload(maps);
    if (!done) log_.warning("{}: {}", maps, done.trouble().text);
  }
}

std::int64_t Screening::most_connections() const {
  return sessions_ + relaxed_->pre_queue_limit + relaxed_->post_queue_limit +
         most_leaving;
}

// In the queue for as long as it lives.
class Screening::Queued {
 public:
  Queued(Screening& owner, Promised<bool>* place)
      : owner_(owner), place_(place) {
    owner_.waiting_.push_back(place_);
    owner_.room_.wait_begins();
  }
  ~Queued() {
    std::erase(owner_.waiting_, place_);
    owner_.room_.wait_ends();
  }
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;

 private:
  Screening& owner_;
  Promised<bool>* place_;
};

Task<Fd> Screening::run(Fd socket, access::Client client) {
  const std::string address = client.address;
  const std::string shown = "[" + address + "]:" + client.port;
  const std::int64_t connections = room_.arrived(address);
  auto screen = std::make_unique<Screen>(std::move(socket), std::move(client),
                                         current_, *this, room_, log_,
                                         dnsblog_);
  Fd passed = co_await screen->run(connections);
  screen.reset();
  if (passed) {
    const bool placed = co_await take_place();
    if (!placed) {
      log_.warning("{} has waited too long for a session", shown);
      passed.reset();
    }
  }
  // Sessions have limits of their own.
  room_.left(address);
  co_return std::move(passed);
}

Task<bool> Screening::take_place() {
  if (free_ > 0) {
    --free_;
    co_return true;
  }
  Promised<bool> place;
  const Queued queued(*this, &place);
  const bool placed = co_await place.wait(place_limit);
  co_return placed;
}

void Screening::leave() {
  if (waiting_.empty()) {
    ++free_;
    return;
  }
  Promised<bool>* next = waiting_.front();
  waiting_.pop_front();
  next->set(true);
}

bool Screening::full() {
  const std::int64_t most = relaxed_->post_queue_limit;
  return most > 0 && room_.waiting() >= most;
}

void Screening::when_stressed(std::function<void()> callback) {
  room_.when_stressed([this, callback = std::move(callback)] {
    log_.info("{} STRESS mode with {} connections",
              room_.stressed() ? "entering" : "leaving", room_.testing());
    callback();
  });
}

Task<Result<ipc::TableAnswer>> Screening::find(ipc::TableFind question) {
  const std::int64_t partial_from = question.partial_from;
  co_return co_await lookup_.find_first(std::move(question.maps),
                                        std::move(question.keys),
                                        partial_from);
}

Task<Result<ipc::ScreenAnswer>> Screening::remembered(std::string address) {
  co_return co_await lookup_.screened(std::move(address));
}

Task<Result<ipc::ScreenAnswer>> Screening::remember(std::string address,
                                                    std::string line) {
  co_return co_await lookup_.keep_screened(std::move(address),
                                           std::move(line));
}

Task<ipc::DnsListAnswer> Screening::list(std::string name, Millis limit) {
  co_return co_await lookup_.dns_list(std::move(name), limit);
}

std::int64_t Screening::now() { return std::time(nullptr); }

}  // namespace postern::smtpd
