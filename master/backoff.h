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
  static constexpr Millis first{100};
  // A pause from here on is told: the service is missed meanwhile.
  static constexpr Millis noticed{1'000};
  // Where a process could not even be started for want of something.
  static constexpr Millis shortage{1'000};

  // The wait after a death: none when the process had been well. One that dies
  // again and again waits twice as long each time, up to `longest`
  // (service_throttle_time); one that lives longer than it was waited for (it
  // met something that kills it now and then) is soon back at the shortest. One
  // that was never ready will hardly fare better at once.
  Millis died_after(Millis lifetime, Millis longest, bool was_ready = true) {
    if (!was_ready) next_ = std::max(next_, noticed);
    const Millis wait = std::min(next_, longest);
    if (lifetime >= well) {
      next_ = first;
      return Millis{0};
    }
    next_ = lifetime > 2 * wait ? std::max(first, wait / 2)
                                : std::min(2 * wait, longest);
    return wait;
  }

 private:
  Millis next_ = first;
};

}  // namespace postern::master
