// MAIL (RFC 5321 section 4.1.1.2) and its parameters.
#include <fmt/format.h>

#include <chrono>
#include <limits>

#include "common/base/text.h"
#include "common/mail/path.h"
#include "common/mail/verp.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

std::int64_t now_in_microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::optional<std::string> Session::parse_address(const std::string& path,
                                                  bool strict,
                                                  bool allow_empty) const {
  mail::PathRules rules;
  rules.strict = strict;
  rules.allow_empty = allow_empty;
  rules.numeric_domain = settings_->numeric_domain;
  std::optional<std::string> address = mail::parse_path(path, rules);
  // A command that is given the address could take it for an option.
  if (address && address->starts_with('-') && !settings_->allow_min_user)
    return std::nullopt;
  return address;
}

void Session::warn_of_syntax(const std::string& path) const {
  log_.warning("Illegal address syntax from {} in {} command: {:.100}",
               facts_.client.shown(), facts_.where, printable_utf8(path));
}

// An event of this client beyond its limit: the reply.
Task<Refusal> Session::over_rate(std::string event, std::int64_t limit,
                                 const char* what, const char* words) {
  if (!limits_apply_ || limit == 0) co_return std::nullopt;
  Result<ipc::AnvilAnswer> seen =
      co_await surroundings_.count(std::move(event), anvil_key());
  if (!seen || seen->rate <= limit) co_return std::nullopt;
  facts_.note(Fault::policy);
  log_.warning("{} rate limit exceeded: {} from {} for service {}", what,
               seen->rate, facts_.client.shown(), facts_.service);
  co_return fmt::format("450 4.7.1 Error: {} from {}", words,
                        facts_.client.address);
}

Task<bool> Session::mail(CommandLine line) {
  if (settings_->helo_required && !facts_.helo) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: send HELO/EHLO first");
  }
  if (in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: nested MAIL command");
  }
  if (chunk_state_ != Chunks::none) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: MAIL after BDAT");
  }
  bool unclosed = false;
  std::optional<mail::EnvelopeArguments> given =
      mail::split_envelope_arguments(line.rest, "FROM", &unclosed);
  if (!given && !unclosed) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.5.4 Syntax: MAIL FROM:<address>");
  }
  Refusal refused = co_await over_rate("mail", settings_->message_rate_limit,
                                       "Message delivery request",
                                       "too much mail");
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  if (!given) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.1.7 Bad sender address syntax");
  }
  auto transaction = std::make_unique<Transaction>();
  for (const mail::Parameter& parameter : given->parameters) {
    refused = mail_parameter(parameter, *transaction);
    if (refused) {
      co_return co_await refuse(Fault::protocol, std::move(*refused));
    }
  }
  const std::optional<std::string> sender =
      parse_address(given->path, settings_->strict_envelopes, true);
  if (!sender) {
    warn_of_syntax(given->path);
    co_return co_await refuse(Fault::protocol,
                              "501 5.1.7 Bad sender address syntax");
  }
  if (!transaction->verp.empty() && sender->empty()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.4 Error: XVERP requires non-null "
                              "sender");
  }
  if (settings_->strict_smtputf8 && !transaction->smtputf8 &&
      !all_ascii(*sender)) {
    co_return co_await refuse(
        Fault::protocol,
        "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
  }
  refused = co_await judge_room(transaction->size_hint);
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  facts_.sender = *sender;
  if (settings_->sasl.enabled) facts_.sasl_sender = auth_sender(*transaction);
  facts_.size = transaction->size_hint;
  refused = co_await judge_sender(transaction->size_hint);
  if (refused) {
    reset_transaction();
    co_await reply(std::move(*refused));
    co_return false;
  }
  transaction->arrival = now_in_microseconds();
  transaction_ = std::move(transaction);
  if (!settings_->delay_open) {
    refused = co_await open_submission();
    if (refused) {
      reset_transaction();
      co_await reply(std::move(*refused));
      co_return false;
    }
  }
  co_await reply("250 2.1.0 Ok");
  co_return true;
}

Task<Refusal> Session::judge_sender(std::int64_t size) {
  if (!settings_->delay_reject) {
    Refusal refused = co_await access_.sender();
    if (refused) co_return refused;
  }
  co_return access_.size(size);
}

Task<Refusal> Session::judge_room(std::int64_t size) {
  Result<ipc::RoomAnswer> answer = co_await surroundings_.room(size);
  // Without an answer, the first recipient will tell.
  if (!answer || answer->room) co_return std::nullopt;
  co_return access_.no_room(answer->why);
}

// One parameter: remembered, or the reply that refuses it.
Refusal Session::mail_parameter(const mail::Parameter& parameter,
                                Transaction& transaction) {
  const std::string value = parameter.value.value_or("");
  if (parameter.is("BODY")) {
    const std::optional<mail::Body> body = mail::parse_body(value);
    if (body) {
      transaction.body =
          *body == mail::Body::seven_bit ? "7BIT" : "8BITMIME";
      return std::nullopt;
    }
  } else if (parameter.is("SIZE") && parameter.value) {
    const std::optional<std::int64_t> size = mail::parse_size(value);
    if (!size) return "501 5.5.4 Bad message size syntax";
    if (*size == std::numeric_limits<std::int64_t>::max()) {
      facts_.note(Fault::policy);
      return "552 5.3.4 Message size exceeds file system imposed limit";
    }
    transaction.size_hint = *size;
    return std::nullopt;
  } else if (parameter.is("AUTH") && parameter.value) {
    // RFC 4954 section 5: who is not authenticated speaks for nobody.
    if (settings_->sasl.enabled && transaction.auth)
      return "503 5.5.4 Error: multiple AUTH= options";
    transaction.auth = value;
    return std::nullopt;
  } else if (parameter.is("SMTPUTF8") && !parameter.value &&
             settings_->smtputf8 && keeps(keyword_smtputf8)) {
    transaction.smtputf8 = true;
    return std::nullopt;
  } else if (parameter.is("RET") && parameter.value) {
    const std::optional<mail::Return> ret = mail::parse_ret(value);
    if (!keeps(keyword_dsn) || !transaction.ret.empty() || !ret)
      return "501 5.5.4 Bad RET parameter syntax";
    transaction.ret = *ret == mail::Return::full ? "FULL" : "HDRS";
    return std::nullopt;
  } else if (parameter.is("ENVID") && parameter.value) {
    const std::optional<std::string> envid = mail::parse_envid(value);
    if (!keeps(keyword_dsn) || !transaction.envid.empty() || !envid)
      return "501 5.5.4 Bad ENVID parameter syntax";
    transaction.envid = *envid;
    return std::nullopt;
  } else if (parameter.is("XVERP") && may_verp_) {
    transaction.verp =
        parameter.value ? value : settings_->verp_delimiters;
    if (mail::verp_complaint(transaction.verp,
                             settings_->verp_delimiter_filter)
            .empty())
      return std::nullopt;
    return "501 5.5.4 Error: XVERP needs two characters from " +
           settings_->verp_delimiter_filter;
  }
  return "555 5.5.4 Unsupported option: " + parameter.text;
}

}  // namespace postern::smtpd
