#include "smtp/connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

constexpr int smtp_port = 25;

bool positive(const mail::ParsedReply& reply) { return reply.code / 100 == 2; }

bool mentions_esmtp(const mail::ParsedReply& greeting) {
  for (const std::string& line : greeting.lines)
    for (const std::string& word : split_words(line, " \t"))
      if (equal_nocase(word, "ESMTP")) return true;
  return false;
}

}  // namespace

Connection::Connection(const Settings& settings, const log::Log& log,
                       Resolver& resolver, Target target, Fd socket)
    : settings_(settings),
      log_(log),
      resolver_(resolver),
      target_(std::move(target)),
      stream_(std::move(socket)),
      channel_(stream_) {
  channel_.when_garbage(
      [this](std::string_view line) { complain_about(line); });
  if (!settings_.reply_filter.empty())
    channel_.filter_replies(resolver_, settings_.reply_filter);
}

void Connection::complain_about(std::string_view garbage) {
  spoilt_ = true;
  log_.warning("{}: non-{} response from {}: {:.100}", queue_id_,
               settings_.lmtp       ? "LMTP"
               : features_.extended ? "ESMTP"
                                    : "SMTP",
               target_.name_and_port(), garbage);
  if (channel_.pipelining())
    log_.warning(
        "to prevent loss of mail, turn off command pipelining for {} with the "
        "{}_discard_ehlo_keyword_address_maps parameter",
        target_.address, settings_.lmtp ? "lmtp" : "smtp");
}

bool Connection::wants_extended(const mail::ParsedReply& greeting) const {
  if (settings_.lmtp) return true;
  if (settings_.never_send_ehlo) return false;
  return settings_.always_send_ehlo || mentions_esmtp(greeting);
}

std::optional<Failure> Connection::check_name(
    const mail::ParsedReply& reply) const {
  if (settings_.lmtp || target_.port != smtp_port) return std::nullopt;
  if (!equal_nocase(announced_name(reply), settings_.myhostname))
    return std::nullopt;
  log_.warning("host {} replied to HELO/EHLO with my own hostname {}",
               target_.name_and_port(), settings_.myhostname);
  if (!target_.best_mx) return std::nullopt;
  Failure failure;
  failure.status = "5.4.6";
  failure.text = fmt::format("mail for {} loops back to myself", next_hop_);
  failure.of_destination = true;
  return failure;
}

Task<std::optional<Failure>> Connection::greet(std::string queue_id,
                                               std::string next_hop) {
  queue_id_ = std::move(queue_id);
  next_hop_ = std::move(next_hop);
  doing_ = "receiving the initial server greeting";
  const mail::ParsedReply greeting =
      co_await channel_.read(settings_.limits.helo);
  if (!positive(greeting)) {
    Failure failure = refused_to_talk(target_, greeting);
    if (settings_.skip_5xx_greeting)
      failure.status = mail::soften_status(failure.status);
    co_return failure;
  }
  features_.extended = wants_extended(greeting);
  co_await look_for_pix(greeting);
  // STARTTLS belongs here: after it say_hello() is said again.
  co_return co_await say_hello();
}

Task<std::optional<Failure>> Connection::say_hello() {
  if (features_.extended) {
    doing_ = settings_.lmtp ? "performing the LHLO handshake"
                            : "performing the EHLO handshake";
    channel_.ask(fmt::format("{} {}", settings_.lmtp ? "LHLO" : "EHLO",
                             settings_.helo_name));
    const mail::ParsedReply reply =
        co_await channel_.answer(settings_.limits.helo);
    if (positive(reply)) {
      const std::vector<std::string> discarded = co_await discarded_keywords();
      features_ = parse_features(reply, discarded);
      channel_.set_pipelining(features_.pipelining);
      co_return check_name(reply);
    }
    if (settings_.lmtp || reply.code == 421)
      co_return refused_to_talk(target_, reply);
    features_.extended = false;
  }
  doing_ = "performing the HELO handshake";
  channel_.ask(fmt::format("HELO {}", settings_.helo_name));
  const mail::ParsedReply reply =
      co_await channel_.answer(settings_.limits.helo);
  if (!positive(reply)) co_return refused_to_talk(target_, reply);
  co_return check_name(reply);
}

Task<void> Connection::look_for_pix(mail::ParsedReply greeting) {
  const bool pix = std::all_of(
      greeting.lines.begin(), greeting.lines.end(),
      [](const std::string& line) {
        return line.find_first_not_of("20 *\t") == std::string::npos;
      });
  if (!pix) co_return;
  std::vector<std::string> names = settings_.pix.names;
  if (!settings_.pix.maps.empty()) {
    ipc::TableFind question;
    question.maps = settings_.pix.maps;
    question.keys.push_back(target_.address);
    Result<ipc::TableAnswer> answer =
        co_await resolver_.table(std::move(question));
    if (answer && answer->found) names = split_words(to_lower(answer->value));
  }
  if (names.empty()) co_return;
  log_.info("{}: enabling PIX workarounds: {} for {}", queue_id_,
            join(names, " "), target_.name_and_port());
  for (const std::string& name : names) {
    if (name == "disable_esmtp" && !settings_.lmtp) features_.extended = false;
    if (name == "delay_dotcrlf") delays_dot_ = true;
  }
}

Task<std::vector<std::string>> Connection::discarded_keywords() {
  if (settings_.discard_keyword_maps.empty())
    co_return settings_.discard_keywords;
  ipc::TableFind question;
  question.maps = settings_.discard_keyword_maps;
  question.keys.push_back(target_.address);
  Result<ipc::TableAnswer> answer =
      co_await resolver_.table(std::move(question));
  // Without the table we do not know what this server bungles: the general
  // list stands.
  if (!answer || !answer->found) co_return settings_.discard_keywords;
  std::vector<std::string> out;
  for (const std::string& word : split_words(answer->value))
    out.push_back(to_lower(word));
  co_return out;
}

bool Connection::may_be_used_again() const {
  if (spoilt_ || quit_sent_) return false;
  if (settings_.keep_uses > 0 && uses_ >= settings_.keep_uses) return false;
  return Clock::now() - opened_ < settings_.keep_total;
}

Task<void> Connection::quit() {
  try {
    if (!quit_sent_) {
      channel_.withdraw();
      stream_.put("QUIT\r\n");
      quit_sent_ = true;
      co_await stream_.flush(settings_.limits.quit);
    }
    if (!settings_.skip_quit_response) {
      const mail::ParsedReply farewell =
          co_await channel_.read(settings_.limits.quit);
    }
  } catch (const Hangup&) {
    // It has gone before us.
  }
}

}  // namespace postern::smtp
