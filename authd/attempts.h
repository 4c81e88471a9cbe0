// How failed log-ins slow down and stop further ones: by the client's address,
// by its network (/24, /64) and by the account that was tried. What is counted
// for an account does not depend on whether it exists.
//
// The arithmetic is pure functions of a Tally; Attempts keeps the tallies, a
// bounded number of them, in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/loop/loop.h"

namespace postern::authd {

struct AttemptLimits {
  Millis first_delay{1000};   // of the first failure's answer; doubles
  Millis most_delay{15'000};
  std::int64_t of_address = 20;   // failures until the lock; 0: no lock
  std::int64_t of_network = 100;
  std::int64_t of_account = 40;
  Seconds lock{600};  // how long it holds, and after which quiet all is
                      // forgotten
};

struct Tally {
  std::int64_t failures = 0;
  Clock::time_point last;  // failure
};

// After a quiet time all is forgotten.
Tally aged(Tally tally, Seconds lock, Clock::time_point now);
Tally after_failure(Tally tally, Seconds lock, Clock::time_point now);
bool locked(const Tally& tally, std::int64_t limit, Seconds lock,
            Clock::time_point now);
// When the answer to a failure is due after the attempt began: first_delay,
// doubled with each failure before it.
Millis delay_after(std::int64_t failures, const AttemptLimits& limits);

// "192.0.2.0/24", "2001:db8:0:0::/64"; of IPv4 in IPv6 the IPv4 network.
// Empty for what is no address.
std::string network_of(std::string_view address);

class Attempts {
 public:
  explicit Attempts(const AttemptLimits& limits) : limits_(limits) {}

  enum class Verdict { go_on, address_locked, network_locked };
  // Before a password is looked at. An empty address is never locked.
  Verdict judge(const std::string& address, Clock::time_point now);
  // Once the account is known. A network from which the account has logged in
  // is not kept out: or else anybody could keep users out.
  bool account_locked(const std::string& account, const std::string& address,
                      Clock::time_point now);

  // `guess` is a mark of account and password; 0: not known. A wrong password
  // that is tried again from the same address (a client that has not heard of
  // the new one) does not count again. Gives when the answer is due.
  struct Failure {
    Millis delay{0};
    bool now_locked = false;  // this failure began a lock: worth a log line
  };
  Failure failed(const std::string& address, const std::string& account,
                 std::uint64_t guess, Clock::time_point now);
  void succeeded(const std::string& address, const std::string& account);

  std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::size_t most_entries = 100'000;
  static constexpr std::size_t most_guesses = 8;
  struct Entry {
    std::string key;
    Tally tally;
    std::vector<std::uint64_t> guesses;
  };
  // The entry that was not used for the longest time goes.
  Entry& entry(const std::string& key);
  const Entry* find(const std::string& key) const;
  bool key_locked(const std::string& key, std::int64_t limit,
                  Clock::time_point now) const;
  bool count(const std::string& key, std::int64_t limit,
             Clock::time_point now);

  AttemptLimits limits_;
  std::list<Entry> order_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> entries_;
};

}  // namespace postern::authd
