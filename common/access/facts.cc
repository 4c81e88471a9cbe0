#include "common/access/facts.h"

#include <fmt/format.h>

#include <ctime>

#include "common/mail/address.h"

namespace postern::access {
namespace {

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[64];
  const std::size_t size =
      std::strftime(text, sizeof text, "%b %d %H:%M:%S", &local);
  return std::string(text, size);
}

// $sender, $sender_name, $sender_domain, and the same of the recipient.
std::string value_of_address(const std::optional<std::string>& address,
                             std::string_view part) {
  if (!address) return "";
  const mail::AddressParts parts = mail::split_address(*address);
  if (part == "_domain") return std::string(parts.domain);
  if (!part.empty() && part != "_name") return "";
  if (address->empty()) return "<>";
  return part.empty() ? *address : std::string(parts.local);
}

}  // namespace

std::string value_of(const Facts& facts, std::string_view name) {
  const Client& client = facts.client;
  if (name == "client") return client.shown();
  if (name == "client_address") return client.address;
  if (name == "client_name") return client.name;
  if (name == "client_port") return client.port;
  if (name == "reverse_client_name") return client.reverse_name;
  if (name == "helo_name") return facts.helo.value_or("");
  if (name == "server_address") return client.server_address;
  if (name == "server_port") return client.server_port;
  if (name == "localtime") return local_time();
  if (name.starts_with("sender"))
    return value_of_address(facts.sender, name.substr(6));
  if (name.starts_with("recipient"))
    return value_of_address(facts.recipient, name.substr(9));
  return "";
}

std::string event_line(const Facts& facts, std::string_view what,
                       std::string_view text) {
  std::string line = fmt::format(
      "{}: {}: {} from {}: {};",
      facts.queue_name(), what, facts.where,
      facts.client.shown(), text);
  if (facts.sender)
    line += fmt::format(" from=<{}>", mail::quote_local_821(*facts.sender));
  if (facts.recipient)
    line += fmt::format(" to=<{}>", mail::quote_local_821(*facts.recipient));
  line += " proto=" + facts.protocol;
  if (facts.helo) line += fmt::format(" helo=<{}>", *facts.helo);
  return line;
}

}  // namespace postern::access
