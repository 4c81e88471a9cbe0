// One instance per queue: pid/master.pid is locked by the running master and
// holds its process id.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/os/fd.h"

namespace postern {

class Instance {
 public:
  // Trouble when another master holds it; the text has that one's id.
  static Result<Instance> claim(const config::Config& config);
  // Writes the own process id. After fork: the lock goes along.
  Status sign() const;

 private:
  Instance(Fd file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Fd file_;
  std::string path_;
};

// queue_directory/pid/master.pid.
std::string pid_file(const config::Config& config);

// The running master's id; nullopt: none runs. Trouble: cannot tell (the file
// is for its owner alone).
Result<std::optional<pid_t>> running_master(const config::Config& config);

}  // namespace postern
