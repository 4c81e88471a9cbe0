// sendmail's side of postdrop: a submission is written as records to a process
// that may write to maildrop.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/os/fd.h"
#include "tools/records.h"

namespace postern::tools {

// A program of command_directory, which takes this one's place; does not
// return. Ends with exit status 75 when it cannot.
[[noreturn]] void run_instead(const config::Config& config,
                              const std::string& program,
                              const std::vector<std::string>& arguments);

class PostdropClient {
 public:
  // Trouble: postdrop could not be started.
  static Result<PostdropClient> start(const config::Config& config);
  PostdropClient(PostdropClient&&) = default;
  PostdropClient& operator=(PostdropClient&&) = delete;
  // Not finished: called off, nothing stays.
  ~PostdropClient();

  // What cannot be written any more is told by finish().
  void put(char type, std::string_view data);
  void put_attribute(std::string_view name, std::string_view value);
  // The end record; waits for the answer. The id of the file in maildrop, or
  // why there is none.
  Result<std::string> finish();

 private:
  PostdropClient() = default;
  void flush();
  void reap();

  pid_t child_ = -1;
  Fd to_;
  Fd from_;
  std::string unsent_;
};

}  // namespace postern::tools
