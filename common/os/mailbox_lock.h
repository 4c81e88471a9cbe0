// Locks on a mailbox file, as mailbox_delivery_lock names them: fcntl and flock
// on the open file, and dotlock, a file NAME.lock beside it that mail readers
// look for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postern::os {

struct LockRules {
  std::vector<std::string> methods;  // "fcntl", "flock", "dotlock"
  std::int64_t attempts = 20;
  std::chrono::milliseconds delay{1000};
  // An older NAME.lock was left behind by a crash.
  std::chrono::milliseconds stale{500000};

  bool has(const std::string& method) const;
};

// NAME.lock, from take() to the end of this object.
class DotLock {
 public:
  explicit DotLock(const std::string& mailbox) : path_(mailbox + ".lock") {}
  ~DotLock();
  DotLock(const DotLock&) = delete;
  DotLock& operator=(const DotLock&) = delete;

  // Waits as the rules say. Trouble (4.2.0): "unable to create lock file
  // NAME.lock: File exists".
  Status take(const LockRules& rules);

 private:
  int try_once(const LockRules& rules);  // errno, 0 when taken
  std::string path_;
  bool taken_ = false;
};

// The methods that lock an open file; it is unlocked when it is closed.
Status lock_file(int fd, const LockRules& rules);

}  // namespace postern::os
