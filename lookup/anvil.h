// Counts connections and events of clients over all processes: anvil(8).
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/ipc/messages/lookup.h"
#include "common/loop/loop.h"

namespace postern::lookup {

class Anvil {
 public:
  // Who reported a connection: what is open when it goes, is closed.
  using Reporter = std::uint64_t;

  struct Now {
    Clock::time_point steady;
    std::time_t wall;
  };
  static Now now() { return {Clock::now(), std::time(nullptr)}; }

  // `unit` is anvil_rate_time_unit. At most `most` clients are remembered; when
  // there are more, those without a connection are forgotten.
  explicit Anvil(Seconds unit, std::size_t most = 200'000);

  ipc::AnvilAnswer note(const ipc::AnvilNote& note, Reporter reporter, Now now);
  void gone(Reporter reporter);

  // Lines "statistics: max connection rate 3/60s for (smtp:192.0.2.1) at
  // Jan  2 03:04:05" since the last call.
  std::vector<std::string> statistics();

  std::size_t size() const { return clients_.size(); }

 private:
  enum Event { connections, messages, recipients, tls_sessions, logins };
  static constexpr std::size_t kinds = 5;

  struct Client {
    Clock::time_point begin;  // of the time unit that is counted
    std::int64_t count = 0;
    std::array<std::int64_t, kinds> rates{};
  };
  struct Highest {
    std::int64_t value = 0;
    std::string client;
    std::time_t when = 0;
  };

  Client& client(const std::string& name, Now now);
  std::int64_t raise(Client& client, Event event, const std::string& name,
                     Now now);
  void sweep(Clock::time_point now, bool all_idle);
  void disconnect(const std::string& name);
  static void keep(Highest& highest, std::int64_t value,
                   const std::string& client, Now now);

  Seconds unit_;
  std::size_t most_;
  std::unordered_map<std::string, Client> clients_;
  std::map<Reporter, std::unordered_map<std::string, std::int64_t>> open_;
  Clock::time_point swept_{};
  std::array<Highest, kinds> highest_rates_;
  Highest highest_count_;
  Highest highest_size_;
};

}  // namespace postern::lookup
