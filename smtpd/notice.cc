// The transcript of a session that went wrong, to the postmaster
// (notify_classes).
#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "common/base/text.h"
#include "common/mail/date.h"
#include "common/mail/received.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

constexpr Millis notice_limit = Seconds(60);

}  // namespace

std::string Session::transcript(const std::string& to,
                                const std::string& queue_id) const {
  mail::Received received;
  received.hostname = settings_->myhostname;
  received.mail_name = settings_->mail_name;
  received.queue_id = queue_id;
  received.when = std::time(nullptr);
  std::string text = fmt::format(
      "{5}\n"
      "Date: {6}\n"
      "From: Mail Delivery System <MAILER-DAEMON@{0}>\n"
      "To: Postmaster <{1}>\n"
      "Subject: {2} SMTP server: errors from {3}\n"
      "\n"
      "Transcript of session follows.\n"
      "\n"
      "{4}\n",
      settings_->myhostname, to, settings_->mail_name, facts_.client.shown(),
      history_, mail::received_header(received),
      mail::header_date(received.when));
  if (ended_by_ != nullptr)
    text += fmt::format("Session aborted, reason: {}\n", ended_by_);
  return text + "\nFor other details, see the local mail logfile\n";
}

Task<void> Session::notify_postmaster() {
  const bool bounced =
      (facts_.faults & settings_->notify_faults &
       static_cast<unsigned>(Fault::bounce)) != 0;
  const std::string to = bounced ? settings_->bounce_notice_recipient
                                 : settings_->error_notice_recipient;
  ipc::MessageBegin begin;
  begin.arrival = std::chrono::duration_cast<std::chrono::microseconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  begin.sender = settings_->double_bounce_sender + "@" + settings_->myhostname;
  begin.flags = ipc::internal_notice;
  begin.context = "local";
  auto submission = std::make_unique<Submission>(surroundings_);
  Submission* notice = submission.get();
  Result<ipc::MessageBegun> begun = co_await notice->begin(std::move(begin));
  if (!begun || begun->trouble.present) {
    log_.warning("postmaster notify: {}", begun ? begun->trouble.text
                                                : begun.trouble().text);
    co_return;
  }
  ipc::MessageRecipient recipient;
  recipient.address = recipient.original = to;
  notice->add(recipient);
  notice->gathered() = transcript(to, begun->queue_id);
  Result<ipc::MessageVerdict> verdict = co_await notice->end(notice_limit);
  if (!verdict || verdict->trouble.present)
    log_.warning("postmaster notify: {}", verdict ? verdict->trouble.text
                                                  : verdict.trouble().text);
}

}  // namespace postern::smtpd
