// Who has had this message already: the Delivered-To headers of its head. A
// recipient among them means that the message runs in a circle.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::local {

// Addresses in internal form, folded for comparison.
class DeliveredTo {
 public:
  // `head` begins where the message does; it may end anywhere.
  static DeliveredTo parse(std::string_view head);
  // Reads the head from a queue file. Trouble: it cannot be read.
  static Result<DeliveredTo> read(int fd, std::int64_t offset,
                                  std::int64_t size);
  bool contains(std::string_view address) const;

 private:
  std::set<std::string, std::less<>> addresses_;
};

}  // namespace postern::local
