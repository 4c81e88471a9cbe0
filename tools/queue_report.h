// The queue in columns, as mailq shows it, from lines of JSON as public/showq
// gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::tools {

class QueueReport {
 public:
  // `long_ids`: columns are wide enough for enable_long_queue_ids.
  explicit QueueReport(bool long_ids) : long_ids_(long_ids) {}

  // What to print for one more message; nullopt: that is no such line.
  std::optional<std::string> message(std::string_view json);
  // What to print after the last one.
  std::string end() const;

 private:
  bool long_ids_;
  std::int64_t messages_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace postern::tools
