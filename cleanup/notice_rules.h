// Who is told what about a message that failed, is late, or arrived: bounce(8),
// RFC 3461, RFC 5321 section 6.1. Pure decisions; notices.h carries them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/bounce_template.h"

namespace postern::cleanup {

// From notify_classes and the parameters that name recipients.
struct NoticeRules {
  bool bounce = false;         // copies of bounces
  bool double_bounce = false;  // bounces that bounced ("bounce" implies it)
  bool delay = false;          // copies of delay notices
  std::string bounce_recipient;
  std::string double_bounce_recipient;
  std::string delay_recipient;
  std::string double_bounce_sender;  // a complete address
  std::int64_t size_limit = 50000;   // bounce_size_limit
};

// A message that a notice may be due for.
struct NoticeSubject {
  mail::NoticeKind kind = mail::NoticeKind::failure;
  std::string sender;
  std::string ret;  // "", "FULL", "HDRS"
  std::int64_t size = 0;
  std::vector<std::int64_t> notify;  // of each recipient: ipc::Notify bits
};

struct DueNotice {
  std::string from;  // envelope sender
  std::string to;
  bool postmaster_copy = false;
  bool full_message = false;
  std::vector<std::size_t> recipients;  // those it tells of
  std::string_view what;                // as in log lines
};

struct NoticeDecision {
  std::vector<DueNotice> due;  // the first one matters, others are courtesy
  // Our own notice to the postmaster could not be delivered: nobody is left.
  bool discarded = false;
};

NoticeDecision decide_notices(const NoticeRules& rules,
                              const NoticeSubject& subject);

}  // namespace postern::cleanup
