// access(5): tables whose values are decisions.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/mail/status.h"
#include "common/tables/address_find.h"
#include "common/access/access.h"

namespace postern::access {
namespace {

// "192.0.2.1", "192.0.2", "192.0", "192"; IPv6 at colons.
std::vector<std::string> address_prefixes(const std::string& address) {
  std::vector<std::string> keys{address};
  const char dot = address.find(':') == std::string::npos ? '.' : ':';
  std::string left = address;
  for (std::size_t at = left.rfind(dot); at != std::string::npos;
       at = left.rfind(dot)) {
    left.resize(at);
    if (!left.empty() && left.back() != dot) keys.push_back(left);
  }
  return keys;
}

ipc::TableFind question_of(const std::string& maps,
                           const std::vector<tables::Candidate>& keys) {
  ipc::TableFind question;
  question.maps = maps;
  question.partial_from = static_cast<std::int64_t>(keys.size());
  for (const tables::Candidate& key : keys) {
    if (key.partial)
      question.partial_from =
          std::min(question.partial_from,
                   static_cast<std::int64_t>(question.keys.size()));
    question.keys.push_back(key.key);
  }
  return question;
}

}  // namespace

ipc::TableFind Access::domain_question(const std::string& maps,
                                       const std::string& domain,
                                       bool parents) {
  return question_of(maps, tables::domain_keys(domain, parents));
}

ipc::TableFind Access::address_question(const std::string& maps,
                                        const std::string& address) {
  return {maps, address_prefixes(address), 1};
}

std::string Access::address_for(const Restriction& restriction,
                                const Subject& subject) const {
  const Check check = restriction.check == Check::table ? subject.table_check
                                                        : restriction.check;
  if (check == Check::check_sender_access) return facts_.sender.value_or("");
  if (check == Check::check_recipient_access)
    return facts_.recipient.value_or("");
  return "";
}

// What a table is asked, in order; the first answer counts.
std::vector<ipc::TableFind> Access::questions(
    const Restriction& restriction, const Subject& subject,
    const std::string& address) const {
  const bool parents = settings_->parents_in_client_access;
  const std::string& maps = restriction.argument;
  const Check check = restriction.check == Check::table ? subject.table_check
                                                        : restriction.check;
  std::vector<ipc::TableFind> out;
  const auto by_address = [&] {
    mail::ExtensionRules rules;
    rules.delimiters = settings_->delimiters;
    if (address.empty())
      out.push_back({maps, {settings_->null_access_key}, 1});
    else
      out.push_back(
          question_of(maps, tables::access_keys(address, rules, parents)));
  };
  switch (check) {
    case Check::check_client_access:
    case Check::check_reverse_client_hostname_access: {
      const bool reverse = check != Check::check_client_access;
      out.push_back(domain_question(
          maps, reverse ? facts_.client.reverse_name : facts_.client.name,
          parents));
      if (!reverse)
        out.push_back(address_question(maps, facts_.client.address));
      break;
    }
    case Check::check_helo_access:
      if (facts_.helo)
        out.push_back(domain_question(maps, *facts_.helo, parents));
      break;
    case Check::check_sender_access:
      if (facts_.sender) by_address();
      break;
    case Check::check_recipient_access:
      if (facts_.recipient) by_address();
      break;
    case Check::check_ccert_access:
      if (!facts_.tls || !facts_.tls->peer.present) break;
      for (const std::string& kind : restriction.search_order)
        out.push_back({maps,
                       {kind == "cert_fingerprint"
                            ? facts_.tls->peer.fingerprint
                            : facts_.tls->peer.key_fingerprint},
                       1});
      break;
    case Check::check_sasl_access:
      if (facts_.login)
        out.push_back({maps, {mail::fold_key(facts_.login->user)}, 1});
      break;
    case Check::check_etrn_access:
      out.push_back(domain_question(maps, subject.name, parents));
      break;
    default: break;
  }
  return out;
}

// Who the result speaks of: check_sender_access in the recipient list still
// rejects the sender.
Access::Subject Access::judged_subject(Check check) const {
  switch (check) {
    case Check::check_client_access:
      return {facts_.client.shown(), "Client host", check};
    case Check::check_ccert_access:
      return {facts_.client.shown(), "Client certificate",
              Check::check_client_access};
    case Check::check_reverse_client_hostname_access:
      return {facts_.client.reverse_name, "Unverified Client host",
              Check::check_client_access};
    case Check::check_helo_access:
      return {facts_.helo.value_or(""), "Helo command", check};
    case Check::check_sender_access:
      return {facts_.sender.value_or(""), "Sender address", check};
    case Check::check_recipient_access:
      return {facts_.recipient.value_or(""), "Recipient address", check};
    case Check::check_sasl_access:
      return {facts_.login ? facts_.login->user : "", "SASL login name",
              Check::check_recipient_access};
    default: panic("a restriction that judges nobody");
  }
}

Access::Subject Access::subject_of(Party party) const {
  switch (party) {
    case Party::client:
      return judged_subject(Check::check_client_access);
    case Party::reverse_client:
      return judged_subject(Check::check_reverse_client_hostname_access);
    case Party::helo:
      return judged_subject(Check::check_helo_access);
    case Party::sender:
      return judged_subject(Check::check_sender_access);
    case Party::recipient:
      return judged_subject(Check::check_recipient_access);
    case Party::none:
      break;
  }
  panic("a restriction that judges nobody");
}

Access::Subject Access::named_subject(std::string name, const char* kind) {
  return {std::move(name), kind, Check::check_recipient_access};
}

Task<Access::Outcome> Access::table(const Restriction* restriction,
                                    Subject subject, int depth) {
  // Tables are asked for the address as it is resolved, in lower case: no
  // spelling of an address slips by.
  std::string address = address_for(*restriction, subject);
  if (!address.empty()) {
    std::string sender = facts_.sender.value_or("");
    Result<route::Resolved> resolved =
        co_await questions_.resolve(std::move(sender), address);
    if (!resolved) {
      log_.warning(std::string_view(resolved.trouble().text));
      co_return refuse(Fault::data, 451, "4.3.0",
                       fmt::format("<{}>: Temporary lookup failure", address));
    }
    address = mail::fold_key(resolved->recipient);
  }
  std::vector<ipc::TableFind> asked =
      questions(*restriction, subject, address);
  const bool own = restriction->check == Check::table ||
                   restriction->check == Check::check_etrn_access;
  Subject judged = own ? subject : judged_subject(restriction->check);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Result<ipc::TableAnswer> answer =
        co_await questions_.find(std::move(asked[i]));
    if (!answer || answer->trouble.present)
      co_return table_failed(
          restriction->argument,
          answer ? answer->trouble.text : answer.trouble().text, judged);
    if (!answer->found) continue;
    const std::string target = judged.name;
    const Outcome outcome =
        co_await act(std::move(answer->value), restriction->argument,
                     std::move(judged), depth);
    if (restriction->check != Check::check_reverse_client_hostname_access)
      co_return outcome;
    co_return forbid_permit(restriction->name, target, outcome);
  }
  co_return Outcome::go_on;
}

// A table that cannot answer has not said no.
Access::Outcome Access::table_failed(const std::string& table,
                                     const std::string& why,
                                     const Subject& judged) {
  log_.warning("{}: table lookup problem: {}", table, why);
  return refuse(Fault::data, 451, "4.3.5",
                fmt::format("<{}>: {} rejected: Server configuration error",
                            judged.name, judged.kind));
}

Task<Access::Outcome> Access::act(std::string value, std::string table,
                                  Subject subject, int depth) {
  const std::string_view trimmed = trim(value);
  const std::size_t space = trimmed.find_first_of(" \t");
  const std::string word = to_upper(trimmed.substr(0, space));
  const std::string text(space == std::string_view::npos
                             ? std::string_view{}
                             : trim(trimmed.substr(space)));
  const std::optional<Outcome> at_once =
      act_at_once(word, text, subject, table);
  if (at_once) co_return *at_once;
  // Anything else is a list of restrictions.
  std::vector<std::string> classes;
  for (const auto& [name, list] : settings_->restrictions.classes)
    classes.push_back(name);
  const RestrictionList list = parse_restrictions(value, classes);
  const bool warn_only = warn_only_;
  co_return co_await walk(&list, std::move(subject), warn_only, depth + 1);
}

Access::Outcome Access::refuse_by_table(int code, const char* status,
                                        const std::string& text,
                                        const Subject& subject) {
  const mail::StatusText parts = mail::split_status(text, status);
  return refuse(Fault::policy, code, parts.status,
                fmt::format("<{}>: {} rejected: {}", subject.name,
                            subject.kind,
                            parts.text.empty() ? "Access denied"
                                               : parts.text));
}

void Access::defer_by_table(std::optional<Deferral>& slot,
                            const std::string& text, const Subject& subject) {
  if (slot) return;
  const mail::StatusText parts = mail::split_status(text, "4.7.1");
  slot = Deferral{
      Fault::policy, settings_->map_defer_code, parts.status,
      fmt::format("<{}>: {} rejected: {}", subject.name, subject.kind,
                  parts.text.empty() ? "Service unavailable" : parts.text)};
}

void Access::tell(const char* what, const std::string& text,
                  const Subject& subject) const {
  log_.info(std::string_view(
      event_line(facts_, what,
                 fmt::format("<{}>: {} {}", subject.name, subject.kind,
                             text))));
}

Access::Outcome Access::permit_by(const std::string& verb,
                                  const Subject& subject,
                                  const std::string& table) {
  permit_action_ = fmt::format("action={} for {}={} from {}", verb,
                               subject.kind, subject.name, table);
  return Outcome::permit;
}

// The verbs of access(5) that need nobody; nullopt: none of them.
std::optional<Access::Outcome> Access::act_at_once(const std::string& verb,
                                                   const std::string& text,
                                                   const Subject& subject,
                                                   const std::string& table) {
  const auto or_text = [&](const char* otherwise) {
    return text.empty() ? std::string(otherwise) : text;
  };
  if (verb == "OK" || verb == "RELAY") return permit_by(verb, subject, table);
  if (verb == "DUNNO" || verb.empty()) return Outcome::go_on;
  if (verb == "REJECT")
    return refuse_by_table(settings_->map_reject_code, "5.7.1", text, subject);
  if (verb == "DEFER")
    return refuse_by_table(settings_->map_defer_code, "4.7.1", text, subject);
  if (verb == "HANGUP") {
    tell("hangup", or_text("triggers HANGUP"), subject);
    return refuse(Fault::policy, 421, "4.7.0", "Error: closing connection");
  }
  if (verb == "INFO" || verb == "WARN") {
    const char* what = verb == "INFO" ? "info" : "warn";
    if (text.empty())
      tell(what, "triggers " + verb, subject);
    else
      log_.info(std::string_view(event_line(facts_, what, text)));
    return Outcome::go_on;
  }
  if (verb == "DEFER_IF_PERMIT") {
    defer_by_table(if_permit_, text, subject);
    return Outcome::go_on;
  }
  if (verb == "DEFER_IF_REJECT") {
    defer_by_table(if_reject_, text, subject);
    return Outcome::go_on;
  }
  return act_on_message(verb, text, subject, table);
}

// Those that change what becomes of the message.
std::optional<Access::Outcome> Access::act_on_message(
    const std::string& verb, const std::string& text, const Subject& subject,
    const std::string& table) {
  const bool number =
      verb.find_first_not_of("0123456789") == std::string::npos;
  const bool code_like =
      number && verb.size() == 3 && (verb[0] == '4' || verb[0] == '5');
  if (number && text.empty()) return permit_by("OK", subject, table);
  if (code_like) {
    const int code = (verb[0] - '0') * 100 + (verb[1] - '0') * 10 + verb[2] - '0';
    return refuse_by_table(code, verb[0] == '4' ? "4.7.1" : "5.7.1", text,
                           subject);
  }
  if (verb == "HOLD") {
    tell("hold", text.empty() ? "triggers HOLD action" : text, subject);
    effects_.flags |= ipc::hold_message;
    return Outcome::go_on;
  }
  if (verb == "DISCARD") {
    tell("discard", text.empty() ? "triggers DISCARD action" : text, subject);
    effects_.flags |= ipc::discard_message;
    return Outcome::permit;
  }
  if (verb == "FILTER" || verb == "REDIRECT") {
    const bool filter = verb == "FILTER";
    if (text.find(filter ? ':' : '@') == std::string::npos) {
      log_.warning("access table {} entry \"{}\" requires {}", table,
                   subject.name,
                   filter ? "transport:destination" : "user@domain target");
      return Outcome::go_on;
    }
    tell(filter ? "filter" : "redirect", "triggers " + verb + " " + text,
         subject);
    (filter ? effects_.filter : effects_.redirect) = text;
    return Outcome::go_on;
  }
  if (verb == "PREPEND") {
    if (text.find(':') == std::string::npos) {
      log_.warning("access table {} entry \"{}\" requires header: text",
                   table, subject.name);
      return Outcome::go_on;
    }
    effects_.prepend.push_back(text);
    return Outcome::go_on;
  }
  if (verb == "BCC") {
    if (text.find('@') == std::string::npos) {
      log_.warning("access table {} entry \"{}\" requires user@domain target",
                   table, subject.name);
      return Outcome::go_on;
    }
    tell("bcc", "triggers BCC " + text, subject);
    effects_.bcc.push_back(text);
    return Outcome::go_on;
  }
  return std::nullopt;
}

}  // namespace postern::access
