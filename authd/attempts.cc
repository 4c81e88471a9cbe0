#include "authd/attempts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace postern::authd {
namespace {

std::string address_key(const std::string& address) { return "a " + address; }
std::string account_key(const std::string& account) { return "u " + account; }
std::string trust_key(const std::string& account, const std::string& network) {
  return "t " + account + " " + network;
}

std::string ipv4_network(const unsigned char* bytes) {
  return std::to_string(bytes[0]) + "." + std::to_string(bytes[1]) + "." +
         std::to_string(bytes[2]) + ".0/24";
}

}  // namespace

Tally aged(Tally tally, Seconds lock, Clock::time_point now) {
  if (tally.failures > 0 && now - tally.last >= lock) return {};
  return tally;
}

Tally after_failure(Tally tally, Seconds lock, Clock::time_point now) {
  tally = aged(tally, lock, now);
  return {tally.failures + 1, now};
}

bool locked(const Tally& tally, std::int64_t limit, Seconds lock,
            Clock::time_point now) {
  return limit > 0 && aged(tally, lock, now).failures >= limit;
}

Millis delay_after(std::int64_t failures, const AttemptLimits& limits) {
  Millis delay = limits.first_delay;
  for (std::int64_t i = 1; i < failures && delay < limits.most_delay; ++i)
    delay *= 2;
  return std::min(delay, limits.most_delay);
}

std::string network_of(std::string_view address) {
  const std::string text(address);
  unsigned char bytes[16];
  if (::inet_pton(AF_INET, text.c_str(), bytes) == 1)
    return ipv4_network(bytes);
  if (::inet_pton(AF_INET6, text.c_str(), bytes) != 1) return {};
  in6_addr whole;
  std::memcpy(&whole, bytes, sizeof whole);
  if (IN6_IS_ADDR_V4MAPPED(&whole)) return ipv4_network(bytes + 12);
  std::memset(bytes + 8, 0, 8);
  char out[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, bytes, out, sizeof out);
  return std::string(out) + "/64";
}

Attempts::Entry& Attempts::entry(const std::string& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    return order_.front();
  }
  if (entries_.size() >= most_entries) {
    entries_.erase(order_.back().key);
    order_.pop_back();
  }
  order_.push_front({key, {}, {}});
  entries_[key] = order_.begin();
  return order_.front();
}

const Attempts::Entry* Attempts::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &*found->second;
}

bool Attempts::key_locked(const std::string& key, std::int64_t limit,
                          Clock::time_point now) const {
  const Entry* known = find(key);
  return known != nullptr && locked(known->tally, limit, limits_.lock, now);
}

Attempts::Verdict Attempts::judge(const std::string& address,
                                  Clock::time_point now) {
  if (address.empty()) return Verdict::go_on;
  if (key_locked(address_key(address), limits_.of_address, now))
    return Verdict::address_locked;
  const std::string network = network_of(address);
  if (!network.empty() &&
      key_locked(address_key(network), limits_.of_network, now))
    return Verdict::network_locked;
  return Verdict::go_on;
}

bool Attempts::account_locked(const std::string& account,
                              const std::string& address,
                              Clock::time_point now) {
  return key_locked(account_key(account), limits_.of_account, now) &&
         find(trust_key(account, network_of(address))) == nullptr;
}

// True: it is this one that makes the lock.
bool Attempts::count(const std::string& key, std::int64_t limit,
                     Clock::time_point now) {
  // What comes during a lock does not make it longer.
  if (key_locked(key, limit, now)) return false;
  Entry& counted = entry(key);
  counted.tally = after_failure(counted.tally, limits_.lock, now);
  return limit > 0 && counted.tally.failures == limit;
}

Attempts::Failure Attempts::failed(const std::string& address,
                                   const std::string& account,
                                   std::uint64_t guess,
                                   Clock::time_point now) {
  const std::string own = address_key(address.empty() ? account : address);
  Entry& first = entry(own);
  first.tally = aged(first.tally, limits_.lock, now);
  const auto begin = first.guesses.begin(), end = first.guesses.end();
  const bool again = guess != 0 && first.tally.failures > 0 &&
                     std::find(begin, end, guess) != end;
  const bool known_place =
      find(trust_key(account, network_of(address))) != nullptr;
  if (again)
    return {delay_after(first.tally.failures, limits_), false};
  if (guess != 0) {
    if (first.guesses.size() >= most_guesses)
      first.guesses.erase(first.guesses.begin());
    first.guesses.push_back(guess);
  }
  Failure failure;
  failure.now_locked = count(own, limits_.of_address, now);
  std::int64_t failures = find(own)->tally.failures;
  if (const std::string network = network_of(address); !network.empty())
    failure.now_locked |= count(address_key(network), limits_.of_network, now);
  // From a place that the user comes from it tells nothing of an attack.
  if (!account.empty() && !known_place) {
    failure.now_locked |= count(account_key(account), limits_.of_account, now);
    failures = std::max(failures,
                        find(account_key(account))->tally.failures);
  }
  failure.delay = delay_after(failures, limits_);
  return failure;
}

void Attempts::succeeded(const std::string& address,
                         const std::string& account) {
  const std::string network = network_of(address);
  if (!network.empty()) entry(trust_key(account, network));
}

}  // namespace postern::authd
