#include "smtp/delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "common/base/text.h"
#include "common/os/files.h"
#include "smtp/tls_planner.h"

namespace postern::smtp {
namespace {

constexpr int submissions_port = 465;

std::string pool_key(const ipc::DeliverRequest& request,
                     const Settings& settings) {
  const bool by_sender = settings.sasl.enabled && settings.sasl.sender_dependent;
  return by_sender ? request.nexthop + '\n' + request.sender : request.nexthop;
}

}  // namespace

Delivery::Delivery(const Surroundings& surroundings,
                   ipc::DeliverRequest request)
    : around_(surroundings),
      settings_(surroundings.settings),
      log_(surroundings.log),
      resolver_(surroundings.resolver),
      sessions_(surroundings.sessions),
      request_(std::move(request)),
      ledger_(request_, settings_, log_),
      generic_(settings_, resolver_),
      pool_key_(pool_key(request_, settings_)),
      keep_(sessions_.begin(pool_key_, request_.backlog)) {}

Delivery::~Delivery() { sessions_.end(pool_key_); }

std::vector<std::string> Delivery::sites() const {
  std::vector<std::string> all = split_words(request_.nexthop);
  all.insert(all.end(), settings_.fallback_relays.begin(),
             settings_.fallback_relays.end());
  return all;
}

Task<ipc::DeliverReport> Delivery::run() {
  const std::vector<std::string> all = sites();
  const bool mapped = co_await map_envelope();
  if (!mapped) {
    co_await filter_verdicts();
    co_return ledger_.take();
  }
  ledger_.set_last_chance(false);
  co_await try_kept_sessions();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!ledger_.any_open() || no_fallback_) break;
    site_ = all[i];
    const bool last_site = i + 1 == all.size();
    co_await try_site(last_site);
  }
  if (passed_on_) {
    const std::string& to = settings_.best_mx_transport;
    for (const std::size_t i : ledger_.open())
      log_.info("{}: passing <{}> to transport={}", request_.queue_id,
                request_.recipients[i].address, to.substr(0, to.find(':')));
    ipc::DeliverReport report = ledger_.take();
    report.pass_to = settings_.best_mx_transport;
    co_return std::move(report);
  }
  settle_the_rest();
  co_await filter_verdicts();
  co_return ledger_.take();
}

// smtp_delivery_status_filter, once for each recipient.
Task<void> Delivery::filter_verdicts() {
  std::vector<Ledger::Verdict> verdicts = ledger_.take_held();
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    Ledger::Verdict& verdict = verdicts[i];
    ipc::TableFind question;
    question.maps = settings_.delivery_status_filter;
    question.keys.push_back(verdict.result.status + " " + verdict.result.text);
    Result<ipc::TableAnswer> answer =
        co_await resolver_.table(std::move(question));
    const char* parameter = settings_.lmtp ? "lmtp_delivery_status_filter"
                                           : "smtp_delivery_status_filter";
    if (!answer) {
      log_.warning("{}: {}", parameter, answer.trouble().text);
    } else if (answer->found) {
      const mail::FilteredStatus now = mail::filter_status(
          {verdict.result.status, verdict.result.text}, answer->value);
      if (!now.complaint.empty())
        log_.warning("{}: {}", parameter, now.complaint);
      verdict.result.status = now.now.status;
      verdict.result.text = now.now.text;
    }
    ledger_.publish(std::move(verdict));
  }
}

Task<bool> Delivery::map_envelope() {
  wire_.sender = request_.sender;
  for (const ipc::DeliverRecipient& recipient : request_.recipients)
    wire_.recipients.push_back(recipient.address);
  if (generic_.empty()) co_return true;
  Result<std::string> sender = co_await generic_.map(request_.sender);
  std::optional<Trouble> trouble;
  if (sender)
    wire_.sender = std::move(*sender);
  else
    trouble = sender.trouble();
  for (std::size_t i = 0; i < wire_.recipients.size() && !trouble; ++i) {
    std::string address = wire_.recipients[i];
    Result<std::string> mapped = co_await generic_.map(std::move(address));
    if (mapped)
      wire_.recipients[i] = std::move(*mapped);
    else
      trouble = mapped.trouble();
  }
  if (!trouble) co_return true;
  log_.warning("{}: {}", request_.queue_id, trouble->text);
  Failure failure;
  failure.status = "4.3.0";
  failure.text = fmt::format("{}_generic_maps: table lookup problem",
                             settings_.lmtp ? "lmtp" : "smtp");
  ledger_.refuse_all(failure);
  co_return false;
}

Task<void> Delivery::try_kept_sessions() {
  while (ledger_.any_open()) {
    connection_ = sessions_.take(pool_key_);
    if (!connection_) co_return;
    site_ = connection_->terms().site;
    const bool fits = co_await still_fits();
    if (!fits) {
      sessions_.dismiss(std::move(connection_));
      continue;
    }
    const std::string server = connection_->target().name_and_port();
    const End end = co_await use_session();
    if (end == End::stale) continue;
    servers_done_.push_back(server);
    co_return;
  }
}

Task<bool> Delivery::still_fits() {
  Result<Terms> now = co_await terms_for(connection_->target());
  co_return now && now->identity() == connection_->terms().identity();
}

Task<Result<Terms>> Delivery::terms_for(Target target) {
  Terms terms;
  terms.site = site_;
  Result<TlsPolicy> policy = co_await plan_tls(&around_, site_, target);
  if (!policy) {
    log_.warning("TLS policy lookup for {}/{}: {}", site_, target.host,
                 policy.trouble().text);
    co_return policy.trouble();
  }
  terms.tls = std::move(*policy);
  if (settings_.tls.wrappermode && !requires_tls(terms.tls.level)) {
    const std::string_view prefix = settings_.lmtp ? "lmtp" : "smtp";
    std::string text = fmt::format(
        "{}_tls_wrappermode requires \"{}_tls_security_level = encrypt\" (or "
        "stronger)",
        prefix, prefix);
    log_.warning(text);
    co_return try_later("7.5", std::move(text));
  }
  PasswordQuestion question;
  question.sender = request_.sender;
  question.host = target.host;
  question.next_hop = site_;
  Result<std::optional<Credentials>> credentials =
      co_await find_credentials(std::move(question), &settings_.sasl,
                                &resolver_);
  if (!credentials) {
    log_.warning("{}: {}_sasl_password_maps lookup error: {}",
                 request_.queue_id, settings_.lmtp ? "lmtp" : "smtp",
                 credentials.trouble().text);
    co_return try_later("3.0", "SASL password lookup error");
  }
  terms.who = identity_of(*credentials);
  terms.credentials = std::move(*credentials);
  co_return std::move(terms);
}

Task<void> Delivery::try_site(bool last_site) {
  Result<NextHop> parsed = parse_next_hop(site_, settings_);
  if (!parsed) {
    why_ = from_trouble(parsed.trouble());
    co_return;
  }
  NextHop hop = std::move(*parsed);
  std::string notice;
  Result<Routes> found =
      co_await find_routes(std::move(hop), settings_, resolver_, notice);
  if (!notice.empty()) log_.warning(notice);
  if (!found) {
    why_ = from_trouble(found.trouble());
    why_->of_destination = true;
    co_return;
  }
  std::vector<Target> servers = std::move(found->targets);
  no_fallback_ = found->we_are_mx;
  passed_on_ = found->nobody_else;
  if (settings_.address_limit > 0 && servers.size() > settings_.address_limit)
    servers.resize(settings_.address_limit);
  std::erase_if(servers, [&](const Target& server) {
    return std::find(servers_done_.begin(), servers_done_.end(),
                     server.name_and_port()) != servers_done_.end();
  });
  sessions_had_ = 0;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (!ledger_.any_open() || session_limit_reached()) break;
    Target server = servers[i];
    const bool last_server = i + 1 == servers.size();
    const bool last = last_site || no_fallback_;
    co_await try_server(std::move(server), last_server, last);
  }
}

bool Delivery::session_limit_reached() const {
  return settings_.session_limit > 0 &&
         sessions_had_ >= settings_.session_limit;
}

Task<void> Delivery::try_server(Target target, bool last_server,
                                bool last_site) {
  Result<Terms> found = co_await terms_for(target);
  if (!found) {
    Failure failure = from_trouble(found.trouble());
    failure.of_destination = true;
    note_no_session(std::move(failure));
    co_return;
  }
  Terms terms = std::move(*found);
  if (target.port == submissions_port && !settings_.tls.wrappermode)
    log_.info("SMTPS wrappermode (TCP port 465) requires setting "
              "\"{0}_tls_wrappermode = yes\", and \"{0}_tls_security_level = "
              "encrypt\" (or stronger)",
              settings_.lmtp ? "lmtp" : "smtp");
  ledger_.set_last_chance(
      last_site && (last_server || (settings_.session_limit > 0 &&
                                    sessions_had_ + 1 >=
                                        settings_.session_limit)));
  const bool done = co_await try_session(target, terms);
  if (done) co_return;
  terms.tls = without_tls();
  const bool plain = co_await try_session(target, terms);
  require(plain, "a session without TLS cannot fail for it");
}

void Delivery::note_no_session(Failure failure) { why_ = std::move(failure); }

Task<bool> Delivery::try_session(Target target, Terms terms) {
  Result<Fd> socket = co_await open(target);
  if (!socket) {
    Failure failure;
    failure.status = "4.4.1";
    failure.text = fmt::format("connect to {}: {}", target.name_and_port(),
                               socket.trouble().text);
    failure.of_destination = true;
    if (!target.local_socket()) log_.info(failure.text);
    note_no_session(std::move(failure));
    co_return true;
  }
  why_.reset();
  plain_retry_ = false;
  connection_ = std::make_unique<Connection>(
      around_, std::move(target), std::move(terms), std::move(*socket));
  const End end = co_await use_session();
  require(end != End::stale, "a new session cannot be stale");
  if (!plain_retry_) ++sessions_had_;
  co_return !plain_retry_;
}

// Postfix's rule: a message that was never tried before may still find TLS in
// order; one that has waited goes on without, unless a password would be
// missing then.
bool Delivery::may_go_plain() const {
  if (connection_->uses() > 1 || connection_->terms().credentials ||
      connection_->terms().tls.level != TlsLevel::may)
    return false;
  const std::chrono::microseconds waited(request_.activated -
                                         request_.arrival);
  return waited >= settings_.plaintext_patience && ledger_.any_open();
}

Task<Result<Fd>> Delivery::open(Target target) {
  Result<SocketAddress> address =
      target.socket_address(settings_.queue_directory);
  if (!address) co_return address.trouble();
  SocketAddress to = *address;
  std::optional<SocketAddress> from;
  if (to.family() == AF_INET) from = settings_.bind4;
  if (to.family() == AF_INET6) from = settings_.bind6;
  Result<Fd> socket = co_await connect_to(to, settings_.limits.connect, from);
  if (socket || !from || socket.trouble().text != os::error_text(EADDRNOTAVAIL))
    co_return std::move(socket);
  if (settings_.bind_enforce) {
    std::string text = fmt::format("cannot bind to {}: {}", from->address(),
                                   socket.trouble().text);
    co_return try_later("4.0", std::move(text));
  }
  log_.warning("cannot bind to {}, connecting from another address: {}",
               from->address(), socket.trouble().text);
  from.reset();
  Result<Fd> unbound = co_await connect_to(to, settings_.limits.connect, from);
  co_return std::move(unbound);
}

Task<Conversation::End> Delivery::use_session() {
  connection_->count_use();
  ledger_.reached(connection_->target().name_and_port(), connection_->uses());
  std::optional<Hangup> hangup;
  End end = End::broken;
  try {
    end = co_await converse();
  } catch (const Hangup& thrown) {
    hangup = thrown;
  }
  if (hangup) {
    // A session that was kept may have died of old age meanwhile.
    const bool stale = connection_->uses() > 1 && !conversation_->answered();
    end = stale ? End::stale : End::broken;
    plain_retry_ = connection_->tls() != nullptr && may_go_plain();
    if (!stale && !plain_retry_)
      ledger_.refuse_all(
          hung_up(connection_->target(), *hangup, connection_->doing()));
  }
  conversation_.reset();
  part(end);
  co_return end;
}

Task<Conversation::End> Delivery::converse() {
  if (connection_->uses() == 1) {
    const std::optional<Failure> refused =
        co_await connection_->greet(request_.queue_id);
    if (refused) {
      const bool broken = connection_->handshake_failed();
      plain_retry_ = broken && may_go_plain();
      if (!plain_retry_) ledger_.refuse_all(*refused);
      co_return broken ? End::broken : End::over;
    }
  }
  ledger_.session_ready();
  if (const std::optional<Failure> failure = unfit(request_, *connection_)) {
    ledger_.refuse_all(*failure);
    // With nothing begun, a session that was too small for this message may
    // just end.
    co_return too_large(request_, connection_->features()) ? End::broken
                                                           : End::over;
  }
  const Conversation::Changes changes{wire_, generic_, resolver_, log_};
  conversation_.emplace(*connection_, request_, ledger_, settings_, changes,
                        keep_ && connection_->may_be_kept());
  const End end = co_await conversation_->transact();
  co_return end;
}

void Delivery::part(End end) {
  std::unique_ptr<Connection> session = std::move(connection_);
  if (end == End::stale || end == End::broken) return;
  if (end == End::ready && keep_ && session->may_be_kept()) {
    sessions_.keep(pool_key_, std::move(session));
    return;
  }
  if (session->quit_sent() && settings_.skip_quit_response) return;
  sessions_.dismiss(std::move(session));
}

// No server took these. What looks like a mistake in main.conf must not bounce
// mail.
void Delivery::settle_the_rest() {
  if (!ledger_.any_open()) return;
  ledger_.set_last_chance(true);
  if (!why_) {
    ledger_.settle_postponed();
    return;
  }
  ledger_.reached("none", 1);
  if (!why_->temporary()) {
    const auto& fallbacks = settings_.fallback_relays;
    const bool fallback =
        std::find(fallbacks.begin(), fallbacks.end(), site_) != fallbacks.end();
    const bool relay = request_.nexthop == settings_.relayhost;
    if (fallback || relay) {
      std::string_view parameter = "relayhost";
      if (fallback)
        parameter =
            settings_.lmtp ? "lmtp_fallback_relay" : "smtp_fallback_relay";
      log_.warning("{} configuration problem", parameter);
      why_->status = "4.3.5";
    }
  }
  ledger_.refuse_all(*why_);
}

}  // namespace postern::smtp
