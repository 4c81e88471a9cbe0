#include "lookup/anvil.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace postern::lookup {
namespace {

// "Jan  2 03:04:05", local time.
std::string stamp(std::time_t when) {
  std::tm local{};
  ::localtime_r(&when, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%b %e %H:%M:%S", &local);
  return text.data();
}

}  // namespace

Anvil::Anvil(Seconds unit, std::size_t most) : unit_(unit), most_(most) {}

void Anvil::keep(Highest& highest, std::int64_t value,
                 const std::string& client, Now now) {
  if (value <= highest.value) return;
  highest = {value, client, now.wall};
}

// Forgets clients without a connection: those whose time unit is over, or all.
void Anvil::sweep(Clock::time_point now, bool all_idle) {
  std::erase_if(clients_, [&](const auto& entry) {
    const Client& client = entry.second;
    return client.count == 0 && (all_idle || now - client.begin > unit_);
  });
  swept_ = now;
}

Anvil::Client& Anvil::client(const std::string& name, Now now) {
  if (now.steady - swept_ > unit_) sweep(now.steady, false);
  if (clients_.size() >= most_ && !clients_.contains(name))
    sweep(now.steady, true);
  auto [entry, is_new] = clients_.try_emplace(name);
  Client& found = entry->second;
  if (is_new || now.steady - found.begin > unit_) {
    found.begin = now.steady;
    found.rates.fill(0);
  }
  keep(highest_size_, static_cast<std::int64_t>(clients_.size()), "", now);
  return found;
}

std::int64_t Anvil::raise(Client& client, Event event, const std::string& name,
                          Now now) {
  const std::int64_t rate = ++client.rates[event];
  keep(highest_rates_[event], rate, name, now);
  return rate;
}

void Anvil::disconnect(const std::string& name) {
  const auto entry = clients_.find(name);
  if (entry != clients_.end() && entry->second.count > 0) --entry->second.count;
}

ipc::AnvilAnswer Anvil::note(const ipc::AnvilNote& note, Reporter reporter,
                             Now now) {
  if (note.event == "disconnect") {
    const auto held = open_[reporter].find(note.client);
    if (held == open_[reporter].end()) return {};
    if (--held->second == 0) open_[reporter].erase(held);
    disconnect(note.client);
    const auto left = clients_.find(note.client);
    return {left == clients_.end() ? 0 : left->second.count, 0};
  }
  Client& known = client(note.client, now);
  if (note.event == "connect") {
    ++known.count;
    ++open_[reporter][note.client];
    keep(highest_count_, known.count, note.client, now);
    return {known.count, raise(known, connections, note.client, now)};
  }
  if (note.event == "newtls_report")
    return {known.count, known.rates[tls_sessions]};
  static constexpr std::pair<const char*, Event> events[] = {
      {"mail", messages},
      {"rcpt", recipients},
      {"newtls", tls_sessions},
      {"auth", logins}};
  for (const auto& [name, event] : events)
    if (note.event == name)
      return {known.count, raise(known, event, note.client, now)};
  return {known.count, 0};
}

void Anvil::gone(Reporter reporter) {
  const auto held = open_.find(reporter);
  if (held == open_.end()) return;
  for (const auto& [name, count] : held->second)
    for (std::int64_t i = 0; i < count; ++i) disconnect(name);
  open_.erase(held);
}

std::vector<std::string> Anvil::statistics() {
  std::vector<std::string> lines;
  const auto rate = [&](Event event, const char* what) {
    const Highest& top = highest_rates_[event];
    if (top.value > 0)
      lines.push_back(
          fmt::format("statistics: max {} rate {}/{}s for ({}) at {}", what,
                      top.value, unit_.count(), top.client, stamp(top.when)));
  };
  rate(connections, "connection");
  if (highest_count_.value > 0)
    lines.push_back(
        fmt::format("statistics: max connection count {} for ({}) at {}",
                    highest_count_.value, highest_count_.client,
                    stamp(highest_count_.when)));
  rate(messages, "message");
  rate(recipients, "recipient");
  rate(tls_sessions, "newtls");
  rate(logins, "auth");
  if (highest_size_.value > 0)
    lines.push_back(fmt::format("statistics: max cache size {} at {}",
                                highest_size_.value,
                                stamp(highest_size_.when)));
  highest_rates_.fill({});
  highest_count_ = {};
  highest_size_ = {};
  return lines;
}

}  // namespace postern::lookup
