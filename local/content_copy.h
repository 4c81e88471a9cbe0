// The content of a message on its way from the queue file into a mailbox: as
// it is, or with a ">" before lines that begin "From ", which in an mbox would
// begin a message.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::local {

// A part of an open file.
struct Content {
  int fd = -1;
  std::int64_t offset = 0;
  std::int64_t size = 0;
};

// Text arrives in pieces that are cut anywhere.
class FromQuoter {
 public:
  void feed(std::string_view piece, std::string& out);
  // What was held back at the end, and the line end that is missing there.
  void finish(std::string& out);

 private:
  bool line_start_ = true;
  std::string held_;  // a line's first characters while they may be "From "
};

// Why writing mail failed, as an answer to the sender: a box that may not
// grow is the recipient's matter (5.2.2), a full disk is ours (4.3.1).
Trouble write_trouble(const std::string& what, int error);

// Appends to an open file, never beyond `limit` bytes of its size (0: none).
class Output {
 public:
  Output(int fd, std::int64_t size, std::int64_t limit)
      : fd_(fd), size_(size), limit_(limit) {}
  Status write(std::string_view bytes);

 private:
  int fd_;
  std::int64_t size_;
  std::int64_t limit_;
};

// The whole content; a missing line end is added at its end.
Status copy_content(const Content& content, bool quote_from, Output& out);

}  // namespace postern::local
