// DATA (RFC 5321 section 4.1.1.4): the content streams to cleanup as it
// comes; the reply to its end is cleanup's verdict. command_bdat.cc ends its
// messages here too.
#include <fmt/format.h>

#include "common/mail/received.h"
#include "common/access/replies.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

// cleanup syncs the file before it answers; milters and tables may take time.
constexpr Millis verdict_limit = Seconds(600);

EndRule end_rule(BareNewline rule) {
  return rule == BareNewline::allow ? EndRule::any_newline
                                    : EndRule::standard_only;
}

}  // namespace

Task<bool> Session::data(CommandLine line) {
  if (chunk_state_ != Chunks::none) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: DATA after BDAT");
  }
  if (facts_.recipients == 0) {
    co_return co_await refuse(Fault::protocol, no_recipients());
  }
  if (!line.bare()) {
    co_return co_await refuse(Fault::protocol, "501 5.5.4 Syntax: DATA");
  }
  Refusal refused = co_await access_.data();
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  co_await reply("354 End data with <CR><LF>.<CR><LF>");
  facts_.where = "DATA content";
  content_bytes_ = 0;
  start_request();
  start_content();
  DataReader reader(DataReader::Framing::dot, end_rule(bare_newline_));
  co_await receive_data(&reader);
  co_return co_await finish_message(reader.saw_bare_newline(), false);
}

std::string Session::no_recipients() const {
  return in_transaction() ? "554 5.5.1 Error: no valid recipients"
                          : "503 5.5.1 Error: need RCPT command";
}

// Headers that access tables asked for, and our Received.
void Session::start_content() {
  std::string& out = transaction_->submission->gathered();
  for (const std::string& header : access_.effects().prepend)
    out += header + "\n";
  out += received() + "\n";
}

std::string Session::received() const {
  mail::Received header;
  header.hostname = settings_->myhostname;
  header.mail_name = settings_->mail_name;
  header.queue_id = facts_.queue_id;
  header.when = static_cast<std::time_t>(transaction_->arrival / 1000000);
  mail::ReceivedFrom from;
  const Client& client = facts_.client;
  from.helo = facts_.helo.value_or(client.name);
  from.name = client.name;
  from.address = client.address;
  const bool authenticated = facts_.login != nullptr;
  from.protocol =
      mail::protocol_name(facts_.protocol == "ESMTP", facts_.tls != nullptr,
                          authenticated, transaction_->smtputf8);
  if (facts_.tls && settings_->tls.received_header)
    from.tls = tls_trace(*facts_.tls, settings_->tls.ask_certificate);
  if (authenticated && settings_->sasl.show_in_header)
    from.authenticated = facts_.login->user;
  if (!settings_->hide_client) header.from = std::move(from);
  if (facts_.recipients == 1) header.recipient = facts_.recipient.value_or("");
  return mail::received_header(header);
}

Task<void> Session::receive_data(DataReader* reader) {
  for (;;) {
    const std::size_t used = reader->feed(
        stream_.buffered(), transaction_->submission->gathered());
    stream_.consume(used);
    content_bytes_ += static_cast<std::int64_t>(used);
    if (reader->ended()) {
      co_await pass_on(true, reader->size());
      co_return;
    }
    // Nothing used: nothing was there, or what is there waits for more.
    const bool more = used > 0 && stream_.poll();
    co_await pass_on(more, reader->size());
    if (!more) {
      co_await fill();
    }
  }
}

// To cleanup, as far as it is worth a frame. Nothing more once the message is
// too big. Where the way to cleanup has broken, the rest is read for nothing,
// and settle_message refuses the message.
Task<void> Session::pass_on(bool more_at_once, std::int64_t size) {
  Transaction& t = *transaction_;
  const std::int64_t limit = settings_->message_size_limit;
  if (t.too_big) {
    t.submission->gathered().clear();
    co_return;
  }
  const bool too_big = limit > 0 && size > limit;
  Submission* submission = t.submission.get();
  const bool was_alive = submission->alive();
  const bool fine =
      co_await submission->send_on(more_at_once && !too_big,
                                   settings_->timeout);
  if (was_alive && !fine)
    log_.warning("{}: the cleanup service does not take the message",
                 facts_.queue_id);
  if (!too_big) co_return;
  transaction_->too_big = true;
  log_.warning("{}: queue file size limit exceeded", facts_.queue_id);
}

void Session::mark_effects() {
  const SideEffects& effects = access_.effects();
  for (const std::string& copy : effects.bcc) {
    ipc::MessageRecipient recipient;
    recipient.address = recipient.original = copy;
    recipient.notify = ipc::notify_never;
    transaction_->submission->add(std::move(recipient));
  }
  if (!effects.any()) return;
  ipc::MessageMark mark;
  mark.flags = effects.flags;
  mark.filter = effects.filter;
  mark.redirect = effects.redirect;
  transaction_->submission->mark(mark);
}

Task<bool> Session::cannot_store() {
  co_return co_await refuse(Fault::resource,
                            "451 4.3.0 Error: queue file write error");
}

// The content is complete. Whatever comes of it, the transaction is over.
Task<bool> Session::finish_message(bool bare_newline, bool chunked) {
  facts_.where = "END-OF-MESSAGE";
  facts_.size = chunked ? transaction_->chunk_bytes : content_bytes_;
  if (bare_newline && bare_newline_ == BareNewline::note)
    noted_bare_newline_ = true;
  const bool taken = co_await settle_message(bare_newline, chunked);
  reset_transaction();
  co_return taken;
}

Task<bool> Session::settle_message(bool bare_newline, bool chunked) {
  if (bare_newline && bare_newline_ == BareNewline::reject) {
    log_.info(std::string_view(
        event_line(facts_, "reject", "bare <LF> received")));
    co_return co_await refuse(
        Fault::protocol, fmt::format("{} 5.5.2 {} Error: bare <LF> received",
                                     settings_->bare_newline_code,
                                     settings_->myhostname));
  }
  if (transaction_->too_big) {
    co_return co_await refuse(Fault::bounce,
                              "552 5.3.4 Error: message file too big");
  }
  if (!transaction_->submission->alive()) {
    co_return co_await cannot_store();
  }
  Refusal refused = co_await access_.end_of_data();
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  Submission* submission = transaction_->submission.get();
  mark_effects();
  Result<ipc::MessageVerdict> verdict =
      co_await submission->end(verdict_limit);
  if (!verdict) {
    log_.warning("{}: {}", facts_.queue_id, verdict.trouble().text);
    co_return co_await cannot_store();
  }
  if (verdict->trouble.present) {
    co_return co_await refuse(Fault::bounce, verdict_reply(verdict->trouble));
  }
  // A client that delivered mail is forgiven.
  errors_ = 0;
  junk_ = 0;
  facts_.faults = 0;
  std::string text = "250 2.0.0 Ok: ";
  if (chunked) text += fmt::format("{} bytes ", transaction_->chunk_bytes);
  text += "queued as " + facts_.queue_id;
  co_await reply(std::move(text));
  co_return true;
}

}  // namespace postern::smtpd
