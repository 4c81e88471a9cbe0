// The message as a command reads it: headers of ours, then the content with
// its lines as the command needs them.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "local/content_copy.h"

namespace postern::local {

struct FeedRules {
  std::string line_end = "\n";
  bool escape_dots = false;   // "." before lines that begin with one
  bool quote_from = false;    // ">" before lines that begin "From "
  bool blank_at_end = false;  // an empty line after the message
};

class Feed {
 public:
  Feed(const Content& content, std::string headers, FeedRules rules);

  // The next bytes; empty at the end. Trouble: the message cannot be read.
  Result<std::string> next();

 private:
  std::string with_line_ends(std::string_view text);
  std::string finish();

  Content content_;
  std::string headers_;
  FeedRules rules_;
  FromQuoter quoter_;
  std::int64_t done_ = 0;
  bool began_ = false;
  bool ended_ = false;
  bool line_start_ = true;
};

}  // namespace postern::local
