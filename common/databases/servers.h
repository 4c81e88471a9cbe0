// The servers of one table, and which of them are out of order. Shared by all
// connections of the table, whatever thread they belong to.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postern::databases {

using Clock = std::chrono::steady_clock;

// Which servers failed lately.
class Health {
 public:
  // A server that failed is left alone for `interval`.
  void failed(const std::string& server, Clock::time_point now);
  void well(const std::string& server);
  bool rests(const std::string& server, std::chrono::seconds interval,
             Clock::time_point now) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Clock::time_point> failed_;
};

struct Server {
  std::string text;  // as written, for messages
  std::string socket;  // unix:
  std::string host;    // inet:
  std::string port;    // may be empty: the default
  std::string uri;     // postgresql://…
};

// "unix:/x inet:host:port host [::1]:port". `uris`: "postgresql://…" too.
std::vector<Server> parse_servers(std::string_view text, bool uris);

// The order to try them in: sockets first, otherwise at random, without those
// that rest. Where all of them rest, they are tried all the same once the
// short rest is over, so that a table with one server heals quickly.
std::vector<Server> order_of_trial(const std::vector<Server>& servers,
                                   const Health& health,
                                   std::chrono::seconds interval,
                                   Clock::time_point now);

}  // namespace postern::databases
