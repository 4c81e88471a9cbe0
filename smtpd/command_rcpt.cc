// RCPT (RFC 5321 section 4.1.1.3). The first accepted recipient opens the
// message at cleanup, which names it.
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/path.h"
#include "common/access/replies.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

std::int64_t notify_bits(const mail::Notify& notify) {
  std::int64_t bits = 0;
  if (notify.never) bits |= ipc::notify_never;
  if (notify.success) bits |= ipc::notify_success;
  if (notify.failure) bits |= ipc::notify_failure;
  if (notify.delay) bits |= ipc::notify_delay;
  return bits;
}

}  // namespace

Task<bool> Session::rcpt(CommandLine line) {
  if (!in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: need MAIL command");
  }
  if (chunk_state_ != Chunks::none) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: RCPT after BDAT");
  }
  bool unclosed = false;
  std::optional<mail::EnvelopeArguments> given =
      mail::split_envelope_arguments(line.rest, "TO", &unclosed);
  if (!given && !unclosed) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.5.4 Syntax: RCPT TO:<address>");
  }
  Refusal refused = co_await over_rate("rcpt", settings_->recipient_rate_limit,
                                       "Recipient address",
                                       "too many recipients");
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  std::optional<std::string> address;
  if (given)
    address = parse_address(given->path, settings_->strict_envelopes, false);
  if (!address) {
    if (given) warn_of_syntax(given->path);
    co_return co_await refuse(Fault::protocol,
                              "501 5.1.3 Bad recipient address syntax");
  }
  if (settings_->strict_smtputf8 && !transaction_->smtputf8 &&
      !all_ascii(*address)) {
    co_return co_await refuse(
        Fault::protocol,
        "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
  }
  ipc::MessageRecipient recipient;
  recipient.address = *address;
  recipient.original = mail::quote_local_821(*address);
  for (const mail::Parameter& parameter : given->parameters) {
    refused = rcpt_parameter(parameter, recipient);
    if (refused) {
      co_return co_await refuse(Fault::protocol, std::move(*refused));
    }
  }
  if (settings_->recipient_limit > 0 &&
      facts_.recipients >= settings_->recipient_limit) {
    const bool tolerated =
        transaction_->overshoot++ < settings_->recipient_overshoot;
    if (!tolerated) facts_.note(Fault::policy);
    co_await reply("452 4.5.3 Error: too many recipients");
    co_return tolerated;
  }
  // A probe of another host, which asks about our own probes' sender: judging
  // it would make both of us wait for each other.
  const std::optional<std::string> prober = settings_->probe_sender.accepted(
      recipient.address, transaction_->arrival / 1000000);
  if (prober) {
    recipient.address = *prober;
  } else {
    refused = co_await judge_recipient(recipient.address);
  }
  if (!refused && !transaction_->submission) {
    refused = co_await open_submission();
  }
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  std::string accepted = recipient.address;
  transaction_->submission->add(std::move(recipient));
  ++facts_.recipients;
  if (!facts_.recipient) facts_.recipient = std::move(accepted);
  co_await reply("250 2.1.5 Ok");
  co_return true;
}

// The recipient is in the facts while it is judged, no longer.
Task<Refusal> Session::judge_recipient(std::string address) {
  std::optional<std::string> first = std::move(facts_.recipient);
  facts_.recipient = std::move(address);
  Refusal refused = co_await access_.recipient();
  facts_.recipient = std::move(first);
  co_return refused;
}

Refusal Session::rcpt_parameter(const mail::Parameter& parameter,
                                ipc::MessageRecipient& recipient) {
  const std::string value = parameter.value.value_or("");
  if (parameter.is("NOTIFY") && parameter.value) {
    const std::optional<mail::Notify> notify = mail::parse_notify(value);
    if (!keeps(keyword_dsn) || recipient.notify != 0 || !notify)
      return "501 5.5.4 Error: Bad NOTIFY parameter syntax";
    recipient.notify = notify_bits(*notify);
    return std::nullopt;
  }
  if (parameter.is("ORCPT") && parameter.value) {
    const std::optional<std::string> orcpt = mail::parse_orcpt(value);
    if (!keeps(keyword_dsn) || !recipient.orcpt.empty() || !orcpt)
      return "501 5.5.4 Error: Bad ORCPT parameter syntax";
    recipient.orcpt = *orcpt;
    return std::nullopt;
  }
  return "555 5.5.4 Unsupported option: " + parameter.text;
}

Task<Refusal> Session::open_submission() {
  auto submission = std::make_unique<Submission>(surroundings_);
  Submission* opening = submission.get();
  transaction_->submission = std::move(submission);
  Result<ipc::MessageBegun> begun = co_await opening->begin(beginning());
  if (begun && !begun->trouble.present) {
    facts_.queue_id = begun->queue_id;
    log_client();
    co_return std::nullopt;
  }
  transaction_->submission.reset();
  facts_.note(Fault::resource);
  ipc::TroubleWire trouble =
      begun ? begun->trouble : ipc::TroubleWire::from(begun.trouble());
  log_.warning("message not begun: {}", trouble.text);
  const std::string text = begin_reply(trouble);
  log_.info(std::string_view(event_line(facts_, "reject", text)));
  co_return text;
}

// Attributes have Postfix's names: queue files and milters know them.
ipc::MessageBegin Session::beginning() const {
  const bool ours = local_rewriting_ || access_.rewrites_for_login();
  const bool local = forwarded_remote_ < 0 ? ours : forwarded_remote_ == 0;
  ipc::MessageBegin begin;
  begin.arrival = transaction_->arrival;
  begin.sender = *facts_.sender;
  begin.flags = settings_->override_flags;
  if (transaction_->smtputf8) begin.flags |= ipc::smtputf8_requested;
  begin.context = local ? "local" : "remote";
  begin.body = transaction_->body;
  begin.envid = transaction_->envid;
  begin.ret = transaction_->ret;
  begin.filter = settings_->content_filter;
  begin.size_hint = transaction_->size_hint;
  if (!transaction_->verp.empty())
    begin.attributes.emplace_back("verp_delimiters", transaction_->verp);
  const Client& c = facts_.client;
  const bool relayed = forwarded_ != nullptr;
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) begin.attributes.emplace_back(name, value);
  };
  const auto logged = [&](const std::string& forwarded, const std::string& own) {
    if (!relayed) return own;
    return forwarded.empty() ? std::string("unknown") : forwarded;
  };
  const Forwarded none;
  const Forwarded& f = relayed ? *forwarded_ : none;
  const std::string name = logged(f.name, c.name);
  const std::string address = logged(f.address, c.address);
  put("log_ident", f.ident);
  put("log_client_name", name);
  put("log_client_address", address);
  put("log_client_port", logged(f.port, c.port));
  put("log_message_origin", name + "[" + address + "]");
  put("log_helo_name", relayed ? f.helo : facts_.helo.value_or(""));
  put("log_protocol_name", logged(f.protocol, facts_.protocol));
  put("client_name", c.name);
  put("reverse_client_name", c.reverse_name);
  put("client_address", c.address);
  put("client_port", c.port);
  put("server_address", c.server_address);
  put("server_port", c.server_port);
  put("helo_name", facts_.helo.value_or(""));
  put("protocol_name", facts_.protocol);
  if (facts_.login) {
    put("sasl_method", facts_.login->method);
    put("sasl_username", facts_.login->user);
    put("sasl_sender", auth_sender(*transaction_));
  }
  return begin;
}

// For whom a client that has logged in says to speak: MAIL's AUTH=.
std::string Session::auth_sender(const Transaction& transaction) const {
  const std::optional<std::string>& given = transaction.auth;
  return given && *given != "<>" ? printable(*given) : "";
}

void Session::log_client() const {
  std::string line =
      fmt::format("{}: client={}", facts_.queue_id, facts_.client.shown());
  if (facts_.login) {
    line += fmt::format(", sasl_method={}, sasl_username={}",
                        facts_.login->method, facts_.login->user);
    const std::string sender = auth_sender(*transaction_);
    if (!sender.empty()) line += ", sasl_sender=" + sender;
  }
  if (forwarded_) {
    if (!forwarded_->ident.empty())
      line += ", orig_queue_id=" + forwarded_->ident;
    if (!forwarded_->name.empty() || !forwarded_->address.empty())
      line += fmt::format(
          ", orig_client={}[{}]",
          forwarded_->name.empty() ? "unknown" : forwarded_->name,
          forwarded_->address.empty() ? "unknown" : forwarded_->address);
  }
  log_.info(std::string_view(line));
}

}  // namespace postern::smtpd
