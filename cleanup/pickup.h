// Takes in what local users left in maildrop: pickup(8). The same way as all
// messages, with a Received header that names the user.
// Next: common/queue/maildrop.h (the files), submission.h.
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "cleanup/notices.h"
#include "cleanup/submission.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/queue/maildrop.h"

namespace postern::cleanup {

struct PickupOptions {
  std::int64_t flags = 0;  // receive_override_options
  std::string filter;      // content_filter
  // Files of this user were in the queue before (postsuper -r): what they say
  // is believed.
  uid_t trusted = 0;
};

// ipc::CleanupFlag bits of a receive_override_options list.
std::int64_t parse_override_options(std::string_view list);

// Removes what a mail reader's file begins with ("From " lines), and keeps a
// first line that looks like a continuation out of the header before it.
class SubmissionStart {
 public:
  // The bytes to use of the next piece; may keep some back until more come.
  std::string feed(std::string bytes);
  std::string finish() { return std::exchange(kept_, std::string()); }

 private:
  bool started_ = false;
  std::string kept_;
};

class Pickup {
 public:
  Pickup(const Means& means, Notices& notices, PickupOptions options,
         log::Log log);

  // Looks into maildrop, now or as soon as it has done with what it has.
  void wake();
  // Takes nothing new in.
  void stop() { stopped_ = true; }
  bool idle() const { return nursery_.empty() && !pump_timer_.running(); }

 private:
  void scan();
  void pump();
  Task<void> take(std::string id);
  Task<void> submit(queue::Submission* file);
  Task<bool> bounce(queue::Submission* file, const Submission* submission,
                    ipc::MessageVerdict verdict);
  ipc::MessageBegin begin_of(const queue::Submission& file) const;
  void set_aside(const std::string& id, const std::string& why);
  void remove(const std::string& id);

  Means means_;
  Notices& notices_;
  PickupOptions options_;
  log::Log log_;
  bool stopped_ = false;
  bool again_ = false;
  Timer pump_timer_;
  std::deque<std::string> waiting_;
  std::set<std::string> known_;   // waiting or under way
  std::set<std::string> failed_;  // could not be removed: never twice
  Nursery nursery_;
};

}  // namespace postern::cleanup
