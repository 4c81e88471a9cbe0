// The restrictions themselves, tables left out: what needs nobody is judged
// at once, destinations and unlisted addresses ask the router.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/access/access.h"

namespace postern::access {
namespace {

Judged plain(int code, const char* status, const std::string& name,
             const char* kind, const char* text,
             Fault fault = Fault::policy) {
  return Judged::refused(fault, code, status,
                         fmt::format("<{}>: {} rejected: {}", name, kind,
                                     text));
}

// Somebody, that is: who logs in as nobody is a stranger.
bool is_login(const Facts& facts) {
  return facts.login && !equal_nocase(facts.login->method, "anonymous");
}

}  // namespace

Judged Access::judge(const Restriction& restriction,
                     const Subject& subject) const {
  const Settings& s = *settings_;
  const Facts& f = facts_;
  switch (restriction.check) {
    case Check::permit:
      return Judged::permitted();
    case Check::reject:
      return plain(s.reject_code, "5.7.1", subject.name, subject.kind,
                   "Access denied");
    case Check::defer:
      return plain(s.defer_code, "4.3.2", subject.name, subject.kind,
                   "Try again later");
    case Check::permit_inet_interfaces:
      return std::find(s.own_addresses.begin(), s.own_addresses.end(),
                       f.client.address) != s.own_addresses.end()
                 ? Judged::permitted()
                 : Judged::none();
    case Check::permit_sasl_authenticated:
      return is_login(f) ? Judged::permitted() : Judged::none();
    case Check::reject_plaintext_session:
      if (f.tls) return Judged::none();
      return Judged::refused(Fault::policy, s.plaintext_code, "4.7.1",
                             "Session encryption is required");
    case Check::reject_unauth_pipelining:
      if (!f.improper_pipelining) return Judged::none();
      return plain(503, "5.5.0", subject.name, subject.kind,
                   "Improper use of SMTP command pipelining", Fault::protocol);
    case Check::reject_invalid_helo_hostname:
      if (!f.helo) return Judged::none();
      return judge_helo_syntax(*f.helo, s.invalid_hostname_code);
    case Check::reject_non_fqdn_helo_hostname:
      if (!f.helo) return Judged::none();
      return judge_helo_fqdn(*f.helo, s.non_fqdn_code,
                             s.invalid_hostname_code);
    case Check::reject_non_fqdn_sender:
      if (!f.sender || f.sender->empty()) return Judged::none();
      return judge_fqdn_address(*f.sender, "Sender address", s.non_fqdn_code);
    case Check::reject_non_fqdn_recipient:
      if (!f.recipient) return Judged::none();
      return judge_fqdn_address(*f.recipient, "Recipient address",
                                s.non_fqdn_code);
    case Check::reject_multi_recipient_bounce: {
      const std::int64_t most = f.where == "RCPT" ? 0 : 1;
      if (!f.sender || !f.sender->empty() || f.recipients <= most)
        return Judged::none();
      return plain(s.multi_recipient_code, "5.5.3", subject.name, subject.kind,
                   "Multi-recipient bounce");
    }
    case Check::permit_tls_all_clientcerts:
      return f.tls && f.tls->peer.trusted ? Judged::permitted()
                                          : Judged::none();
    default:
      // Nobody is authenticated by a certificate of a table yet.
      return Judged::none();
  }
}

Task<bool> Access::matches(tables::MatchList* list, std::string name,
                           std::string address) {
  tables::MatchList::Walk walk(*list, name, address);
  for (;;) {
    const auto next = walk.next();
    if (!next) {
      log_.warning("{}: {}", list->options().title, next.trouble().text);
      co_return false;
    }
    if (!*next) break;
    ipc::TableFind question;
    question.maps = (*next)->table;
    question.keys.push_back((*next)->key);
    Result<ipc::TableAnswer> answer =
        co_await questions_.find(std::move(question));
    if (!answer || answer->trouble.present) {
      log_.warning("{}: {}", list->options().title,
                   answer ? answer->trouble.text : answer.trouble().text);
      co_return false;
    }
    walk.answer(answer->found);
  }
  co_return walk.matched();
}

Task<bool> Access::in_list(tables::MatchList* list) {
  if (list->empty()) co_return false;
  co_return co_await matches(list, facts_.client.name, facts_.client.address);
}

Task<bool> Access::local_rewriting() {
  for (const Restriction& one : settings_->local_clients) {
    bool local = false;
    if (one.check == Check::permit_mynetworks) {
      local = co_await in_list(&settings_->mynetworks);
    } else if (one.check == Check::permit_inet_interfaces) {
      local = judge(one, {}).what == Judged::What::permit;
    }
    if (local) co_return true;
  }
  co_return false;
}

// relay_clientcerts: by the fingerprint of the certificate, or of its key.
Task<Access::Outcome> Access::known_certificate() {
  if (!facts_.tls || !facts_.tls->peer.present ||
      settings_->relay_clientcerts.empty())
    co_return Outcome::go_on;
  const tls::PeerCertificate& peer = facts_.tls->peer;
  ipc::TableFind question;
  question.maps = settings_->relay_clientcerts;
  question.keys = {peer.fingerprint, peer.key_fingerprint};
  question.partial_from = 2;
  Result<ipc::TableAnswer> answer =
      co_await questions_.find(std::move(question));
  if (!answer || answer->trouble.present) {
    log_.warning("relay_clientcerts: lookup error for fingerprint '{}', pkey "
                 "fingerprint {}: {}", peer.fingerprint, peer.key_fingerprint,
                 answer ? answer->trouble.text : answer.trouble().text);
    co_return Outcome::go_on;
  }
  co_return answer->found ? Outcome::permit : Outcome::go_on;
}

bool Access::rewrites_for_login() const {
  if (!is_login(facts_)) return false;
  for (const Restriction& one : settings_->local_clients)
    if (one.check == Check::permit_sasl_authenticated) return true;
  return false;
}

// The heart of relay protection. A destination is ours only when the resolver
// says so and the client did not route through us: user@elsewhere@here and
// its like are refused here whatever the last domain is.
Task<Access::Outcome> Access::destination(Check check) {
  if (!facts_.recipient) co_return Outcome::go_on;
  // In whatever list it stands, the recipient is who may not be reached.
  const std::string name = *facts_.recipient;
  Result<route::Resolved> found = co_await questions_.resolve(
      facts_.sender.value_or(""), *facts_.recipient);
  if (!found) {
    log_.warning(std::string_view(found.trouble().text));
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", name));
  }
  const bool trusted = !found->routed || settings_->allow_untrusted_routing;
  const bool ours =
      trusted && found->address_class != route::AddressClass::other;
  if (check == Check::permit_auth_destination)
    co_return ours ? Outcome::permit : Outcome::go_on;
  if (ours) co_return Outcome::go_on;
  const bool defer = check == Check::defer_unauth_destination;
  const int code = defer ? 400 + settings_->relay_code % 100
                         : settings_->relay_code;
  co_return refuse(Fault::policy, code, defer ? "4.7.1" : "5.7.1",
                   fmt::format("<{}>: Relay access denied", name));
}

// Replies to our own notices are taken, whoever reads them.
static bool is_mailer_daemon(const route::Resolved& resolved) {
  return resolved.address_class == route::AddressClass::local &&
         equal_nocase(mail::split_address(resolved.recipient).local,
                      "mailer-daemon");
}

// The code of an unlisted address; the router says which parameter has it.
static int unlisted_code(const Settings& settings,
                         const route::Router::Known& known) {
  const auto& codes = settings.unlisted_codes;
  const auto found = codes.find(known.reject_code_parameter);
  if (found != codes.end()) return found->second;
  return known.status.starts_with('4') ? 450 : 550;
}

Task<Access::Outcome> Access::listed(std::string address, bool as_sender) {
  bool& judged =
      as_sender ? unlisted_sender_judged_ : unlisted_recipient_judged_;
  judged = true;
  if (address.empty() || settings_->know_all) co_return Outcome::go_on;
  const std::string from = as_sender ? "" : facts_.sender.value_or("");
  Result<route::Resolved> resolved =
      co_await questions_.resolve(from, address);
  if (!resolved) {
    log_.warning(std::string_view(resolved.trouble().text));
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", address));
  }
  if (is_mailer_daemon(*resolved)) co_return Outcome::go_on;
  route::Resolved where = *resolved;
  Result<route::Router::Known> known =
      co_await questions_.known(address, std::move(where));
  if (!known) {
    log_.warning(std::string_view(known.trouble().text));
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", address));
  }
  if (known->known) co_return Outcome::go_on;
  std::string status = known->status;
  if (as_sender && status.ends_with(".1.1")) status.replace(1, 4, ".1.0");
  co_return refuse(
      Fault::bounce, unlisted_code(*settings_, *known), std::move(status),
      fmt::format("<{}>: {} rejected: {}", address,
                  as_sender ? "Sender address" : "Recipient address",
                  known->text));
}

}  // namespace postern::access
