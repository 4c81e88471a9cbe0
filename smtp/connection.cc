#include "smtp/connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "smtp/login.h"
#include "smtp/tls_client.h"

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

Connection::Connection(const Surroundings& around, Target target, Terms terms,
                       Fd socket)
    : around_(around),
      settings_(around.settings),
      log_(around.log),
      resolver_(around.resolver),
      target_(std::move(target)),
      terms_(std::move(terms)),
      stream_(std::move(socket)),
      channel_(stream_) {
  channel_.when_garbage(
      [this](std::string_view line) { complain_about(line); });
  channel_.limit_together(settings_.limits.together);
  if (!settings_.reply_filter.empty())
    channel_.filter_replies(
        resolver_, settings_.reply_filter,
        [this](std::string_view from, std::string_view to) {
          log_.info("{}: replacing server reply \"{}\" with \"{}\"",
                    target_.name_and_port(), from, to);
        });
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
  failure.text = fmt::format("mail for {} loops back to myself", terms_.site);
  failure.of_destination = true;
  return failure;
}

Task<std::optional<Failure>> Connection::greet(std::string queue_id) {
  queue_id_ = std::move(queue_id);
  if (settings_.tls.wrappermode) {
    std::optional<Failure> failure = co_await handshake();
    if (failure) co_return failure;
  }
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
  std::optional<Failure> failure = co_await say_hello();
  if (failure) co_return failure;
  if (!tls_) {
    failure = co_await secure();
  }
  if (failure) co_return failure;
  failure = co_await log_in();
  if (failure) co_return failure;
  co_return check_silence();
}

Failure Connection::no_tls(std::string status, std::string text) const {
  Failure failure;
  failure.status = std::move(status);
  failure.text = std::move(text);
  failure.of_destination = true;
  return failure;
}

// After it everything that the server has said before is forgotten (RFC 3207
// 4.2): nobody knows who said it.
Task<std::optional<Failure>> Connection::secure() {
  const TlsLevel level = terms_.tls.level;
  if (features_.starttls && level == TlsLevel::none &&
      settings_.tls.note_starttls_offer)
    log_.info("Host offered STARTTLS: [{}]", target_.host);
  if (!features_.starttls) {
    if (!requires_tls(level)) co_return std::nullopt;
    co_return no_tls("4.7.4",
                     fmt::format("TLS is required, but was not offered by "
                                 "host {}",
                                 target_.name()));
  }
  if (level == TlsLevel::none) co_return std::nullopt;
  // What was wrong with the settings has been logged at start.
  if (around_.tls == nullptr && !requires_tls(level)) co_return std::nullopt;
  doing_ = "receiving the STARTTLS response";
  channel_.ask("STARTTLS");
  const mail::ParsedReply reply =
      co_await channel_.answer(settings_.limits.starttls);
  if (!positive(reply)) {
    if (!requires_tls(level)) co_return std::nullopt;
    Failure failure = said(target_, reply, "STARTTLS command");
    failure.text = fmt::format(
        "TLS is required, but host {} refused to start TLS: {}",
        target_.name(), failure.diagnostic);
    failure.of_destination = true;
    co_return failure;
  }
  std::optional<Failure> failure = co_await handshake();
  if (failure) co_return failure;
  failure = co_await say_hello();
  co_return failure;
}

Task<std::optional<Failure>> Connection::handshake() {
  handshake_failed_ = true;
  Failure failed = no_tls("4.7.5", "Cannot start TLS: handshake failure");
  // Mail that may go in the clear waits for nothing but its turn.
  failed.of_destination = terms_.tls.level != TlsLevel::may;
  if (around_.tls == nullptr)
    co_return no_tls("4.7.5",
                     "TLS is required, but our TLS engine is unavailable");
  // What is in the buffer already was not sent by who will sign the
  // handshake.
  if (!stream_.buffered().empty()) {
    log_.warning("{} sent more than its answer to STARTTLS before TLS began",
                 target_.name_and_port());
    co_return failed;
  }
  doing_ = "performing the TLS handshake";
  Result<tls::Facts> facts =
      co_await around_.tls->start(&stream_, target_, terms_.tls);
  if (!facts) co_return failed;
  handshake_failed_ = false;
  tls_ = std::move(*facts);
  features_ = Features();
  features_.extended = true;
  channel_.set_pipelining(false);
  co_return judge_certificate();
}

std::optional<Failure> Connection::judge_certificate() const {
  if (!requires_match(terms_.tls.level) || tls_->matched) return std::nullopt;
  Failure failure = no_tls("4.7.5", "Server certificate not verified");
  failure.of_destination = false;
  return failure;
}

Task<std::optional<Failure>> Connection::log_in() {
  const bool possible = features_.auth && terms_.credentials;
  // From here on this says whether we are logged in.
  features_.auth = false;
  if (!possible) co_return std::nullopt;
  Login login(*this, around_, *terms_.credentials);
  credentials::wipe(terms_.credentials->password);
  std::optional<Failure> failure = co_await login.run();
  features_.auth = !failure;
  co_return failure;
}

std::optional<Failure> Connection::check_silence() {
  if (!tls_ || !settings_.tls.block_early_mail_reply) return std::nullopt;
  while (stream_.poll()) continue;
  if (stream_.buffered().empty()) return std::nullopt;
  log_.warning("server {} violates {}_tls_block_early_mail_reply policy",
               target_.name(), settings_.lmtp ? "lmtp" : "smtp");
  return no_tls("4.7.0", "unexpected server message");
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

bool Connection::may_be_kept() const {
  return !tls_ || terms_.tls.connection_reuse;
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
