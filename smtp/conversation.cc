#include "smtp/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/os/files.h"
#include "smtp/commands.h"

namespace postern::smtp {
namespace {

// The message is read and sent in pieces of this many bytes.
constexpr std::size_t piece_size = 131072;
// Where the content as a whole must keep a pace: small enough for a slow line
// to be through with one before its time is over.
constexpr std::size_t paced_piece_size = 4096;

bool positive(const mail::ParsedReply& reply) { return reply.code / 100 == 2; }

// Does the header, up to the first empty line, hold anything but ASCII?
bool utf8_header(const ipc::DeliverRequest& request) {
  constexpr std::int64_t longest_header = 1 << 20;
  const auto size =
      static_cast<std::size_t>(std::min(request.content_size, longest_header));
  const Result<std::string> head = os::read_at(
      request.message.get(), size, request.content_offset, "read message");
  if (!head) return true;
  const std::string_view text = *head;
  return !all_ascii(text.substr(0, text.find("\n\n")));
}

bool needs_utf8(const ipc::DeliverRequest& request) {
  if (!request.smtputf8) return false;
  if (!all_ascii(request.sender)) return true;
  for (const ipc::DeliverRecipient& recipient : request.recipients)
    if (!all_ascii(recipient.address)) return true;
  return utf8_header(request);
}

}  // namespace

bool too_large(const ipc::DeliverRequest& request, const Features& features) {
  return features.size_limit > 0 && request.content_size > features.size_limit;
}

std::optional<Failure> unfit(const ipc::DeliverRequest& request,
                             const Connection& connection) {
  const Features& features = connection.features();
  Failure failure;
  if (!features.smtputf8 && needs_utf8(request)) {
    failure.status = "5.6.7";
    failure.text =
        fmt::format("SMTPUTF8 is required, but was not offered by host {}",
                    connection.target().name());
    return failure;
  }
  if (too_large(request, features)) {
    failure.status = "5.3.4";
    failure.text = fmt::format(
        "message size {} exceeds size limit {} of server {}",
        request.content_size, features.size_limit, connection.target().name());
    return failure;
  }
  return std::nullopt;
}

Conversation::Conversation(Connection& connection,
                           const ipc::DeliverRequest& request, Ledger& ledger,
                           const Settings& settings, const Changes& changes,
                           bool keep)
    : connection_(connection),
      request_(request),
      ledger_(ledger),
      settings_(settings),
      changes_(changes),
      keep_(keep),
      pace_(settings.limits.data_transfer, settings.limits.together,
            settings.limits.data_rate) {
  for (const std::size_t i : ledger.open()) addressees_.push_back({i, false});
}

// An address probe ends before the message (smtp_address_verify_target).
bool Conversation::stops_at_rcpt() const {
  return request_.verify_only && !settings_.verify_by_data;
}

void Conversation::ask_for_everything() {
  Channel& channel = connection_.channel();
  const Features& features = connection_.features();
  // Between messages RSET changes nothing. It costs nothing in a group of
  // commands, and its answer tells a dead session from a fussy destination.
  if (connection_.uses() > 1 && channel.pipelining()) channel.ask("RSET");
  if (settings_.send_xforward)
    for (const std::string& command : xforward(request_, features))
      channel.ask(command);
  channel.ask(
      mail_from(request_, changes_.envelope.sender, features, settings_));
  for (const Addressee& addressee : addressees_)
    channel.ask(rcpt_to(request_, request_.recipients[addressee.recipient],
                        changes_.envelope.recipients[addressee.recipient],
                        features, settings_));
  if (!stops_at_rcpt()) channel.ask("DATA");
}

// The questions are asked up front; Channel sends them together when the
// server offers PIPELINING and one by one when it does not. Answers are read
// in the order of the questions; what need not be asked any more is withdrawn.
Task<Conversation::End> Conversation::transact() {
  Channel& channel = connection_.channel();
  const bool kept = connection_.uses() > 1;
  const bool reset = kept && channel.pipelining();
  const std::size_t forwards =
      settings_.send_xforward
          ? xforward(request_, connection_.features()).size()
          : 0;
  ask_for_everything();

  if (reset) {
    const mail::ParsedReply fresh =
        co_await answer("sending RSET", settings_.limits.rset);
    if (!positive(fresh)) co_return End::stale;
  }
  // What the next host logs about the client is not worth a message: a
  // refusal is passed over.
  for (std::size_t i = 0; i < forwards; ++i) {
    const mail::ParsedReply noted = co_await answer(
        "sending XFORWARD name/address", settings_.limits.xforward);
  }

  const mail::ParsedReply mail =
      co_await answer("sending MAIL FROM", settings_.limits.mail);
  if (mail.code == 421 && kept && !reset) co_return End::stale;
  if (!positive(mail)) {
    ledger_.refuse_all(refusal(mail, "MAIL FROM command"));
    channel.withdraw();
  }
  for (Addressee& addressee : addressees_) {
    if (!channel.due()) break;
    const mail::ParsedReply rcpt =
        co_await answer("sending RCPT TO", settings_.limits.rcpt);
    if (!positive(mail)) continue;
    addressee.accepted = positive(rcpt);
    if (!addressee.accepted)
      ledger_.refuse(addressee.recipient, refusal(rcpt, "RCPT TO command"));
    else if (stops_at_rcpt())
      ledger_.sent(addressee.recipient, rcpt, true);
  }
  if (stops_at_rcpt()) co_return End::over;
  if (!any_accepted()) channel.withdraw();
  if (!channel.due()) co_return End::over;

  const mail::ParsedReply data =
      co_await answer("sending DATA command", settings_.limits.data_init);
  if (data.code / 100 != 3) {
    refuse_accepted(refusal(data, "DATA command"));
    // The next message begins with RSET only where that costs nothing.
    co_return channel.pipelining() ? end() : End::over;
  }
  if (request_.verify_only) {
    for (const Addressee& addressee : addressees_)
      if (addressee.accepted) ledger_.sent(addressee.recipient, data, true);
    co_return End::broken;
  }
  // A server may say 354 though it took no recipient (RFC 2920 3.1): then an
  // empty message ends the transaction.
  if (any_accepted()) {
    const bool read = co_await send_message();
    if (!read) co_return End::broken;
  }
  co_await end_message();
  if (!any_accepted()) co_return End::over;
  co_await take_verdicts();
  co_return end();
}

Conversation::End Conversation::end() const {
  return connection_.may_be_used_again() ? End::ready : End::over;
}

// RFC 6152 section 3: a message with 8-bit text goes to a server without
// 8BITMIME only after conversion.
bool Conversation::must_convert() const {
  return settings_.convert_8bit && !connection_.features().eight_bit &&
         !equal_nocase(request_.body, "7BIT");
}

void Conversation::refuse_for_us() {
  Failure failure;
  failure.status = "4.3.0";
  failure.text = fmt::format("local data error while talking to {}",
                             connection_.target().name());
  refuse_accepted(failure);
}

Task<bool> Conversation::send_message() {
  connection_.doing("sending message body");
  Stream& stream = connection_.stream();
  ContentEncoder encoder(settings_.line_length_limit);
  std::optional<Outgoing> changed;
  if (Outgoing::wanted(settings_, must_convert()))
    changed.emplace(settings_, changes_.resolver, changes_.log,
                    changes_.generic, request_.queue_id, must_convert());
  std::string wire;
  std::string text;
  std::int64_t at = request_.content_offset;
  const std::int64_t end = at + request_.content_size;
  const std::size_t largest =
      settings_.limits.together ? paced_piece_size : piece_size;
  while (at < end) {
    const auto size =
        std::min<std::size_t>(largest, static_cast<std::size_t>(end - at));
    Result<std::string> piece =
        os::read_at(request_.message.get(), size, at, "read message");
    if (!piece || piece->empty()) {
      refuse_for_us();
      co_return false;
    }
    at += static_cast<std::int64_t>(piece->size());
    text = std::move(*piece);
    if (changed) {
      std::string before = std::exchange(text, std::string());
      Status done = co_await changed->feed(std::move(before), &text);
      if (done && at >= end) {
        done = co_await changed->finish(&text);
      }
      if (!done) {
        changes_.log.warning("{}: {}", request_.queue_id, done.trouble().text);
        refuse_for_us();
        co_return false;
      }
    }
    encoder.encode(text, wire);
    stream.put(wire);
    wire.clear();
    // The last piece leaves together with the dot.
    if (at < end) {
      co_await flush_content();
    }
  }
  encoder.finish(wire);
  stream.put(wire);
  if (encoder.broke_lines())
    changes_.log.info("{}: breaking line > {} bytes with <CR><LF>SPACE",
                      request_.queue_id, settings_.line_length_limit);
  co_return true;
}

// What has been put, at the server's pace.
Task<void> Conversation::flush_content() {
  Stream& stream = connection_.stream();
  const std::size_t size = stream.unsent();
  const Clock::time_point begin = Clock::now();
  const Millis left = pace_.left();
  co_await stream.flush(left);
  pace_.wrote(std::chrono::duration_cast<Millis>(Clock::now() - begin), size);
}

Task<void> Conversation::end_message() {
  Stream& stream = connection_.stream();
  const Millis age((wall_clock() - request_.arrival) / 1000);
  if (connection_.delays_dot() && age >= settings_.pix.threshold) {
    // The dot must come in a packet of its own.
    co_await flush_content();
    co_await pause(settings_.pix.delay);
  }
  stream.put(".\r\n");
  const bool last = !keep_ && connection_.channel().pipelining();
  if (last) {
    stream.put("QUIT\r\n");
    connection_.set_quit_sent();
  }
  co_await flush_content();
  connection_.doing(
      "sending end of data -- message may be sent more than once");
}

// SMTP has one verdict for all, LMTP one for each recipient that was accepted
// (RFC 2033 4.2).
Task<void> Conversation::take_verdicts() {
  Channel& channel = connection_.channel();
  const Millis limit = settings_.limits.data_done;
  if (!settings_.lmtp) {
    const mail::ParsedReply verdict = co_await channel.read(limit);
    if (verdict.code == 421) connection_.spoil();
    for (const Addressee& addressee : addressees_)
      if (addressee.accepted) give_verdict(addressee, verdict);
    co_return;
  }
  for (const Addressee& addressee : addressees_) {
    if (!addressee.accepted) continue;
    const mail::ParsedReply verdict = co_await channel.read(limit);
    if (verdict.code == 421) connection_.spoil();
    give_verdict(addressee, verdict);
  }
}

void Conversation::give_verdict(const Addressee& addressee,
                                const mail::ParsedReply& verdict) {
  if (positive(verdict))
    ledger_.sent(addressee.recipient, verdict, connection_.features().dsn);
  else
    ledger_.refuse(addressee.recipient,
                   refusal(verdict, "end of DATA command"));
}

bool Conversation::any_accepted() const {
  return std::any_of(addressees_.begin(), addressees_.end(),
                     [](const Addressee& a) { return a.accepted; });
}

void Conversation::refuse_accepted(const Failure& failure) {
  for (const Addressee& addressee : addressees_)
    if (addressee.accepted) ledger_.refuse(addressee.recipient, failure);
}

Task<mail::ParsedReply> Conversation::answer(const char* doing, Millis limit) {
  connection_.doing(doing);
  mail::ParsedReply reply = co_await connection_.channel().answer(limit);
  answered_ = true;
  // The server says that it will hang up (RFC 5321 3.8).
  if (reply.code == 421) connection_.spoil();
  co_return reply;
}

Failure Conversation::refusal(const mail::ParsedReply& reply,
                              const char* command) const {
  return said(connection_.target(), reply, command);
}

}  // namespace postern::smtp
