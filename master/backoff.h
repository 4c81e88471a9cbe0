// How long to wait before a process that died is started again. Pure.
#pragma once

#include <algorithm>
#include <chrono>

namespace postern::master {

class Backoff {
 public:
  using Millis = std::chrono::milliseconds;
  // A process that lived this long was well.
  static constexpr Millis well{10'000};
  static constexpr Millis first{1'000};
  static constexpr Millis longest{60'000};

  // The wait after a death: none when the process had been well, otherwise one
  // second, doubled with every such death in a row up to a minute.
  Millis died_after(Millis lifetime) {
    if (lifetime >= well) {
      next_ = first;
      return Millis{0};
    }
    const Millis wait = next_;
    next_ = std::min(next_ * 2, longest);
    return wait;
  }

 private:
  Millis next_ = first;
};

}  // namespace postern::master
