// The stages and the walk through a list.
#include "common/access/access.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/access/replies.h"

namespace postern::access {
namespace {

// Restriction classes and table results nest; one that names itself must end.
constexpr int deepest = 20;

}  // namespace

void Access::reset_transaction() {
  kept_if_permit_[2].reset();
  effects_ = {};
}

std::string Access::value_of(std::string_view name) const {
  return name == "server_name" ? settings_->myhostname
                               : access::value_of(facts_, name);
}

void Access::start() {
  warn_only_ = false;
  if_permit_.reset();
  if_reject_.reset();
  permit_told_ = false;
  permit_action_.clear();
  reply_.clear();
}

Refusal Access::result(Outcome outcome) {
  if (outcome != Outcome::refuse) return std::nullopt;
  return std::move(reply_);
}

Task<Refusal> Access::client() {
  start();
  const RestrictionList* list = &settings_->restrictions.client;
  Subject subject = judged_subject(Check::check_client_access);
  const Outcome outcome =
      co_await walk_stage(list, "smtpd_client_restrictions", subject);
  kept_if_permit_[0] = if_permit_;
  co_return result(outcome);
}

Task<Refusal> Access::helo() {
  start();
  const RestrictionList* list = &settings_->restrictions.helo;
  if (!facts_.helo) co_return std::nullopt;
  Subject subject = judged_subject(Check::check_helo_access);
  const Outcome outcome =
      co_await walk_stage(list, "smtpd_helo_restrictions", subject);
  kept_if_permit_[1] = if_permit_;
  co_return result(outcome);
}

Task<Refusal> Access::sender() {
  start();
  unlisted_sender_judged_ = false;
  const RestrictionList* list = &settings_->restrictions.sender;
  Subject subject = judged_subject(Check::check_sender_access);
  Outcome outcome =
      co_await walk_stage(list, "smtpd_sender_restrictions", subject);
  if (outcome != Outcome::refuse && settings_->reject_unlisted_sender &&
      !unlisted_sender_judged_) {
    outcome = co_await implied(true);
  }
  kept_if_permit_[2] = if_permit_;
  co_return result(outcome);
}

Task<Refusal> Access::recipient() {
  // RFC 5321 section 4.5.1: postmaster is always taken.
  if (equal_nocase(*facts_.recipient, "postmaster")) co_return std::nullopt;
  if (settings_->delay_reject) {
    Refusal refused = co_await client();
    if (refused) co_return refused;
    refused = co_await helo();
    if (refused) co_return refused;
    if (facts_.sender) {
      refused = co_await sender();
      if (refused) co_return refused;
    }
  }
  start();
  unlisted_recipient_judged_ = false;
  for (const std::optional<Deferral>& kept : kept_if_permit_)
    if (!if_permit_) if_permit_ = kept;
  const RestrictionSet& set = settings_->restrictions;
  const bool relay_first = settings_->relay_first;
  const RestrictionList* first = relay_first ? &set.relay : &set.recipient;
  const RestrictionList* second = relay_first ? &set.recipient : &set.relay;
  Subject subject = judged_subject(Check::check_recipient_access);
  const char* names[2] = {"smtpd_relay_restrictions",
                          "smtpd_recipient_restrictions"};
  const char* first_name = names[relay_first ? 0 : 1];
  const char* second_name = names[relay_first ? 1 : 0];
  Outcome outcome = co_await walk_stage(first, first_name, subject);
  if (outcome != Outcome::refuse) {
    outcome = co_await walk_stage(second, second_name, subject);
  }
  outcome = co_await finish_recipient(outcome);
  co_return result(outcome);
}

Task<Access::Outcome> Access::finish_recipient(Outcome outcome) {
  if (outcome == Outcome::refuse) co_return outcome;
  if (if_permit_)
    co_return refuse(if_permit_->fault, if_permit_->code, if_permit_->status,
                     if_permit_->text);
  if (!settings_->reject_unlisted_recipient || unlisted_recipient_judged_)
    co_return outcome;
  co_return co_await implied(false);
}

// smtpd_reject_unlisted_sender and its sister, where no list said it.
Task<Access::Outcome> Access::implied(bool as_sender) {
  Restriction restriction;
  restriction.name = as_sender ? "smtpd_reject_unlisted_sender"
                               : "smtpd_reject_unlisted_recipient";
  restriction.check = as_sender ? Check::reject_unlisted_sender
                                : Check::reject_unlisted_recipient;
  if (trace_ != nullptr) trace_->stage(restriction.name);
  const Restriction* one = &restriction;
  Subject subject = named_subject("", "");
  co_return co_await apply_traced(one, std::move(subject), 0);
}

Task<Refusal> Access::data() {
  start();
  const RestrictionList* list = &settings_->restrictions.data;
  Subject subject = named_subject("DATA", "Data command");
  // What concerns all recipients alike is not said of one of them.
  std::optional<std::string> first = facts_.recipient;
  if (facts_.recipients > 1) facts_.recipient.reset();
  Outcome outcome =
      co_await walk_stage(list, "smtpd_data_restrictions", subject);
  if (outcome != Outcome::refuse && if_permit_)
    outcome = refuse(if_permit_->fault, if_permit_->code, if_permit_->status,
                     if_permit_->text);
  facts_.recipient = std::move(first);
  co_return result(outcome);
}

Task<Refusal> Access::end_of_data() {
  start();
  const RestrictionList* list = &settings_->restrictions.end_of_data;
  Subject subject = named_subject("END-OF-MESSAGE", "End-of-data");
  std::optional<std::string> first = facts_.recipient;
  if (facts_.recipients > 1) facts_.recipient.reset();
  Outcome outcome =
      co_await walk_stage(list, "smtpd_end_of_data_restrictions", subject);
  if (outcome != Outcome::refuse && if_permit_)
    outcome = refuse(if_permit_->fault, if_permit_->code, if_permit_->status,
                     if_permit_->text);
  facts_.recipient = std::move(first);
  co_return result(outcome);
}

Task<Refusal> Access::etrn(std::string domain) {
  if (settings_->delay_reject) {
    Refusal refused = co_await client();
    if (refused) co_return refused;
    refused = co_await helo();
    if (refused) co_return refused;
  }
  start();
  const RestrictionList* list = &settings_->restrictions.etrn;
  facts_.etrn_domain = domain;
  Subject subject = named_subject(std::move(domain), "Etrn command");
  subject.table_check = Check::check_etrn_access;
  Outcome outcome =
      co_await walk_stage(list, "smtpd_etrn_restrictions", subject);
  if (outcome != Outcome::refuse && if_permit_)
    outcome = refuse(if_permit_->fault, if_permit_->code, if_permit_->status,
                     if_permit_->text);
  facts_.etrn_domain.clear();
  co_return result(outcome);
}

Refusal Access::size(std::int64_t declared) {
  start();
  const std::int64_t limit = settings_->message_size_limit;
  if (limit == 0 || declared <= limit) return std::nullopt;
  return result(refuse(Fault::policy, 552, "5.3.4",
                       "Message size exceeds fixed limit"));
}

Task<Access::Outcome> Access::walk_stage(const RestrictionList* list,
                                         const char* parameter,
                                         Subject subject) {
  if (trace_ != nullptr) trace_->stage(parameter);
  co_return co_await walk(list, std::move(subject), false, 0);
}

Refusal Access::no_room(const std::string& why) {
  start();
  const Outcome outcome = refuse(Fault::resource, 452, "4.3.1",
                                 "Insufficient system storage");
  log_.warning("not enough free space in mail queue: {}", why);
  return result(outcome);
}

Task<Access::Outcome> Access::walk(const RestrictionList* list,
                                   Subject subject, bool warn_only,
                                   int depth) {
  if (depth > deepest) {
    log_.warning("restriction lists nest too deeply at {}", subject.kind);
    co_return misconfigured();
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Restriction* one = &(*list)[i];
    warn_only_ = warn_only || one->warn_only;
    Outcome outcome = co_await apply_traced(one, subject, depth);
    if (outcome == Outcome::permit) {
      outcome = co_await log_permit(one, subject);
    }
    if (outcome != Outcome::go_on) co_return outcome;
  }
  warn_only_ = false;
  co_return Outcome::go_on;
}

Task<Access::Outcome> Access::apply_traced(const Restriction* restriction,
                                           Subject subject, int depth) {
  if (trace_ == nullptr) {
    co_return co_await apply(restriction, std::move(subject), depth);
  }
  trace_->begins(*restriction, depth);
  const bool deferred_before = if_permit_.has_value();
  const Outcome outcome =
      co_await apply(restriction, std::move(subject), depth);
  const bool defers = !deferred_before && if_permit_.has_value();
  trace_->ends(*restriction, depth,
               outcome == Outcome::permit   ? "permit"
               : outcome == Outcome::refuse ? "reject"
               : defers                     ? trace_defers
                                            : "go on",
               reply_);
  co_return outcome;
}

// smtpd_log_access_permit_actions. A class says nothing: what it holds did.
Task<Access::Outcome> Access::log_permit(const Restriction* restriction,
                                         Subject subject) {
  if (settings_->log_permits.empty() || permit_told_ ||
      restriction->check == Check::restriction_class)
    co_return Outcome::permit;
  permit_told_ = true;
  std::string words = std::exchange(permit_action_, "");
  const bool by_client =
      restriction->party == Party::client ||
      (restriction->check >= Check::permit_inet_interfaces &&
       restriction->check <= Check::permit_tls_all_clientcerts);
  if (by_client) subject = judged_subject(Check::check_client_access);
  std::string name = restriction->name;
  if (words.empty())
    words = fmt::format("action={} for {}={} ", name, subject.kind,
                        subject.name);
  else
    name = words.substr(7, words.find(' ') - 7);
  const bool wanted =
      co_await matches(&settings_->log_permits, std::move(name), "");
  if (wanted)
    log_.info(std::string_view(event_line(facts_, "permit", words)));
  co_return Outcome::permit;
}

// Only here is decided who answers for a restriction.
Task<Access::Outcome> Access::apply(const Restriction* restriction,
                                    Subject subject, int depth) {
  const Check check = restriction->check;
  switch (check) {
    case Check::permit_mynetworks: {
      const bool inside = co_await in_list(&settings_->mynetworks);
      co_return inside ? Outcome::permit : Outcome::go_on;
    }
    case Check::permit_auth_destination:
    case Check::reject_unauth_destination:
    case Check::defer_unauth_destination: {
      co_return co_await destination(check);
    }
    case Check::permit_tls_clientcerts: {
      co_return co_await known_certificate();
    }
    case Check::reject_unlisted_sender:
      if (!facts_.sender) co_return Outcome::go_on;
      co_return co_await listed(*facts_.sender, true);
    case Check::reject_unlisted_recipient:
      if (!facts_.recipient) co_return Outcome::go_on;
      co_return co_await listed(*facts_.recipient, false);
    case Check::reject_sender_login_mismatch:
    case Check::reject_authenticated_sender_login_mismatch:
    case Check::reject_known_sender_login_mismatch:
    case Check::reject_unauthenticated_sender_login_mismatch: {
      co_return co_await sender_login(check);
    }
    case Check::defer_if_permit:
    case Check::defer_if_reject:
      defer_on_request(*restriction, subject);
      co_return Outcome::go_on;
    case Check::sleep: {
      const std::int64_t seconds =
          parse_number(restriction->argument).value_or(0);
      co_await pause(Seconds(seconds));
      co_return Outcome::go_on;
    }
    case Check::restriction_class: {
      const auto found =
          settings_->restrictions.classes.find(restriction->name);
      const RestrictionList* list = &found->second;
      const bool warn_only = warn_only_;
      co_return co_await walk(list, std::move(subject), warn_only, depth + 1);
    }
    case Check::permit_naked_ip_address:
      log_.warning("restriction {} is deprecated. Use permit_mynetworks or "
                   "permit_sasl_authenticated instead", restriction->name);
      if (!facts_.helo) co_return Outcome::go_on;
      co_return settle(judge_naked_address(*facts_.helo,
                                           settings_->invalid_hostname_code));
    case Check::reject_unknown_client_hostname:
    case Check::reject_unknown_forward_client_hostname:
    case Check::reject_unknown_reverse_client_hostname:
      co_return unknown_client(check);
    case Check::reject_unknown_helo_hostname:
    case Check::reject_unknown_address:
    case Check::reject_unknown_sender_domain:
    case Check::reject_unknown_recipient_domain:
    case Check::permit_mx_backup: {
      co_return co_await ask_names(restriction, std::move(subject));
    }
    case Check::reject_unverified_sender:
      if (!facts_.sender || facts_.sender->empty()) co_return Outcome::go_on;
      co_return co_await unverified(*facts_.sender, true);
    case Check::reject_unverified_recipient:
      if (!facts_.recipient || facts_.recipient->empty())
        co_return Outcome::go_on;
      co_return co_await unverified(*facts_.recipient, false);
    case Check::check_hosts_access: {
      co_return co_await servers(restriction, depth);
    }
    case Check::permit_dnswl_client:
    case Check::permit_rhswl_client:
    case Check::reject_rbl_client:
    case Check::reject_rhsbl_client:
    case Check::reject_rhsbl_helo:
    case Check::reject_rhsbl_recipient:
    case Check::reject_rhsbl_reverse_client:
    case Check::reject_rhsbl_sender: {
      co_return co_await dns_list(restriction);
    }
    case Check::reject_maps_rbl: {
      co_return co_await old_lists();
    }
    case Check::check_policy_service: {
      co_return co_await policy(restriction, std::move(subject), depth);
    }
    case Check::check_client_access:
    case Check::check_reverse_client_hostname_access:
    case Check::check_helo_access:
    case Check::check_sender_access:
    case Check::check_recipient_access:
    case Check::check_ccert_access:
    case Check::check_sasl_access:
    case Check::check_etrn_access:
    case Check::table: {
      co_return co_await table(restriction, std::move(subject), depth);
    }
    case Check::unknown:
      log_.warning("unknown smtpd restriction: \"{}\"", restriction->name);
      co_return misconfigured();
    case Check::no_argument:
      co_return without_argument(restriction->name);
    default:
      co_return settle(judge(*restriction, subject));
  }
}

void Access::defer_on_request(const Restriction& restriction,
                              const Subject& subject) {
  const bool permit = restriction.check == Check::defer_if_permit;
  std::optional<Deferral>& slot = permit ? if_permit_ : if_reject_;
  if (slot) return;
  slot = Deferral{Fault::policy, 450, "4.7.0",
                  fmt::format("<{}>: {} rejected: {} requested", subject.name,
                              subject.kind, restriction.name)};
}

Access::Outcome Access::settle(const Judged& judged) {
  switch (judged.what) {
    case Judged::What::nothing: return Outcome::go_on;
    case Judged::What::permit: return Outcome::permit;
    case Judged::What::refuse: break;
  }
  return refuse(judged.fault, judged.code, judged.status, judged.text);
}

Access::Outcome Access::misconfigured() {
  return refuse(Fault::software, 451, "4.3.5", "Server configuration error");
}

// A list of the domain name system that is not named is none; anything else is
// a mistake that must not let mail pass.
Access::Outcome Access::without_argument(const std::string& name) {
  const bool table = name.ends_with("_access");
  if (table)
    log_.warning("restriction {}: bad argument \"{}\": need maptype:mapname",
                 name, name);
  else if (name == "check_policy_service")
    log_.warning("restriction {} must be followed by transport:server", name);
  else if (name == "sleep")
    log_.warning("restriction {} must be followed by number", name);
  else
    log_.warning("restriction {} requires domain name argument", name);
  const bool list = !table && name != "check_policy_service" && name != "sleep";
  return list ? Outcome::go_on : misconfigured();
}

Access::Outcome Access::refuse_later(bool now, Fault fault, int code,
                                     std::string status, std::string text) {
  if (now || warn_only_)
    return refuse(fault, code, std::move(status), std::move(text));
  if (!if_permit_)
    if_permit_ = Deferral{fault, code, std::move(status), std::move(text)};
  return Outcome::go_on;
}

// A reply of class 5 gives way to a deferral that an earlier trouble asked
// for; with warn_if_reject nothing but a log line comes of it, unless the
// trouble is our own.
Access::Outcome Access::refuse(Fault fault, int code, std::string status,
                               std::string text) {
  const bool ours = fault == Fault::software || fault == Fault::resource ||
                    fault == Fault::data;
  const bool warn = warn_only_ && !ours;
  facts_.note(fault);
  if (!warn && if_reject_ && code / 100 == 5) {
    const Deferral kept = *std::exchange(if_reject_, std::nullopt);
    warn_only_ = false;
    return refuse(kept.fault, kept.code, kept.status, kept.text);
  }
  std::string line = refusal(code, status, text, settings_->soft_bounce);
  log_.info(std::string_view(
      event_line(facts_, warn ? "reject_warning" : "reject", line)));
  if (warn) return Outcome::go_on;
  reply_ = std::move(line);
  return Outcome::refuse;
}

}  // namespace postern::access
