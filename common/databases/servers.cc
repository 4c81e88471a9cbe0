#include "common/databases/servers.h"

#include <algorithm>
#include <random>

#include "common/base/text.h"

namespace postern::databases {
namespace {

// How long servers rest when there is no other.
constexpr std::chrono::seconds short_rest{1};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void set_host_and_port(std::string_view text, Server& server) {
  std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    server.host = text.substr(1, close == std::string_view::npos
                                     ? close
                                     : close - 1);
    if (close != std::string_view::npos && text.substr(close + 1).starts_with(':'))
      server.port = text.substr(close + 2);
    return;
  }
  // An IPv6 address without brackets has no port.
  if (colon != text.find(':')) colon = std::string_view::npos;
  server.host = text.substr(0, colon);
  if (colon != std::string_view::npos) server.port = text.substr(colon + 1);
}

}  // namespace

void Health::failed(const std::string& server, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  failed_[server] = now;
}

void Health::well(const std::string& server) {
  const std::lock_guard lock(mutex_);
  failed_.erase(server);
}

bool Health::rests(const std::string& server, std::chrono::seconds interval,
                   Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  const auto at = failed_.find(server);
  return at != failed_.end() && now - at->second < interval;
}

std::vector<Server> parse_servers(std::string_view text, bool uris) {
  std::vector<Server> servers;
  for (const std::string& word : split_words(text)) {
    Server server;
    server.text = word;
    std::string_view rest = word;
    if (uris && rest.find("://") != std::string_view::npos) {
      server.uri = word;
    } else if (take_prefix(rest, "unix:") || rest.starts_with('/')) {
      server.socket = rest;
    } else {
      take_prefix(rest, "inet:");
      set_host_and_port(rest, server);
    }
    servers.push_back(std::move(server));
  }
  return servers;
}

std::vector<Server> order_of_trial(const std::vector<Server>& servers,
                                   const Health& health,
                                   std::chrono::seconds interval,
                                   Clock::time_point now) {
  std::vector<Server> order;
  for (const std::chrono::seconds rest :
       {interval, std::min(interval, short_rest)}) {
    for (const Server& server : servers)
      if (!health.rests(server.text, rest, now)) order.push_back(server);
    if (!order.empty()) break;
  }
  thread_local std::minstd_rand random{std::random_device{}()};
  std::shuffle(order.begin(), order.end(), random);
  std::stable_partition(order.begin(), order.end(),
                        [](const Server& one) { return !one.socket.empty(); });
  return order;
}

}  // namespace postern::databases
