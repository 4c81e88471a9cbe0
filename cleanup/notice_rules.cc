#include "cleanup/notice_rules.h"

#include <numeric>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"

namespace postern::cleanup {
namespace {

using mail::NoticeKind;

// Does the recipient want its sender to hear of this? Without NOTIFY: of
// failures and delays (RFC 3461 section 5.2).
bool wants(NoticeKind kind, std::int64_t notify) {
  switch (kind) {
    case NoticeKind::failure:
      return notify == 0 || (notify & ipc::notify_failure) != 0;
    case NoticeKind::delay:
      return notify == 0 || (notify & ipc::notify_delay) != 0;
    // qmgr knows who asked for it, or was told of a delay that is over.
    case NoticeKind::success: return (notify & ipc::notify_never) == 0;
    case NoticeKind::verify: return true;
  }
  return false;
}

std::string_view told_to_sender(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::failure: return "sender non-delivery notification";
    case NoticeKind::delay: return "sender delay notification";
    case NoticeKind::success:
    case NoticeKind::verify: return "sender delivery status notification";
  }
  return "";
}

std::vector<std::size_t> everyone(const NoticeSubject& subject) {
  std::vector<std::size_t> all(subject.notify.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

DueNotice to_postmaster(const NoticeRules& rules, const NoticeSubject& subject,
                        const std::string& to, bool full) {
  DueNotice out;
  out.from = rules.double_bounce_sender;
  out.to = to;
  out.postmaster_copy = true;
  out.full_message = full && subject.size <= rules.size_limit;
  out.recipients = everyone(subject);
  out.what = subject.kind == NoticeKind::delay
                 ? "postmaster delay notification"
                 : "postmaster non-delivery notification";
  return out;
}

}  // namespace

NoticeDecision decide_notices(const NoticeRules& rules,
                              const NoticeSubject& subject) {
  NoticeDecision out;
  const bool failure = subject.kind == NoticeKind::failure;
  const bool delay = subject.kind == NoticeKind::delay;
  if (equal_nocase(subject.sender, rules.double_bounce_sender)) {
    out.discarded = failure;
    return out;
  }
  if (subject.sender.empty()) {
    // What is said about a notice is said to the postmaster.
    if (failure && (rules.double_bounce || rules.bounce))
      out.due.push_back(to_postmaster(rules, subject,
                                      rules.double_bounce_recipient, true));
    if (delay && rules.delay)
      out.due.push_back(
          to_postmaster(rules, subject, rules.delay_recipient, false));
    return out;
  }
  DueNotice first;
  first.to = subject.sender;
  for (std::size_t i = 0; i < subject.notify.size(); ++i)
    if (wants(subject.kind, subject.notify[i])) first.recipients.push_back(i);
  first.full_message = failure && subject.size <= rules.size_limit &&
                       !equal_nocase(subject.ret, "HDRS");
  first.what = told_to_sender(subject.kind);
  if (!first.recipients.empty()) out.due.push_back(std::move(first));
  if (failure && rules.bounce)
    out.due.push_back(
        to_postmaster(rules, subject, rules.bounce_recipient, false));
  if (delay && rules.delay)
    out.due.push_back(
        to_postmaster(rules, subject, rules.delay_recipient, false));
  return out;
}

}  // namespace postern::cleanup
