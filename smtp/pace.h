// How long the content of a message may take (postconf(5),
// smtp_per_request_deadline and smtp_min_data_rate): each write for itself, or
// all of them together, with more time for each byte that the server takes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/loop/loop.h"

namespace postern::smtp {

class Pace {
 public:
  // `rate`: bytes a second that a server must take at least, of no effect
  // unless `together`; 0: none, all must be over within `limit`.
  Pace(Millis limit, bool together, std::int64_t rate)
      : limit_(limit), left_(limit), together_(together), rate_(rate) {}

  // For the next write.
  Millis left() const { return left_; }
  // The write took so long and had so many bytes.
  void wrote(Millis took, std::size_t bytes) {
    if (!together_) return;
    const auto earned =
        rate_ > 0 ? static_cast<std::int64_t>(bytes) * 1000 / rate_ : 0;
    left_ = std::clamp(left_ - took + Millis(earned), Millis(0), limit_);
  }

 private:
  Millis limit_, left_;
  bool together_;
  std::int64_t rate_;
};

}  // namespace postern::smtp
