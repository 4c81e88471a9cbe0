#include "smtpd/proxy_header.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "common/base/text.h"
#include "common/tables/network.h"

namespace postern::smtpd {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view text_start = "PROXY ";
constexpr std::size_t longest_text = 107;  // with CRLF
constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t fixed_part = 16;  // of version 2

constexpr std::uint8_t tcp4 = 0x11, tcp6 = 0x21, unspecified = 0x00;

ProxyHeader bad(const char* problem) {
  ProxyHeader header;
  header.state = State::bad;
  header.problem = problem;
  return header;
}

// Is one the beginning of the other?
bool may_become(std::string_view bytes, std::string_view start) {
  const std::size_t size = std::min(bytes.size(), start.size());
  return bytes.substr(0, size) == start.substr(0, size);
}

// An IPv4 address that is written as an IPv6 one is shown as what it is.
std::string shown(const tables::Address& address) {
  static constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0,    0,
                                              0, 0, 0, 0, 0xff, 0xff};
  if (!address.v6 || std::memcmp(address.bytes.data(), mapped, 12) != 0)
    return address.text();
  tables::Address v4;
  std::copy_n(address.bytes.begin() + 12, 4, v4.bytes.begin());
  return v4.text();
}

std::optional<std::string> address_of(const std::string& text, bool v6) {
  const std::optional<tables::Address> address = tables::parse_address(text);
  if (!address || address->v6 != v6) return std::nullopt;
  return shown(*address);
}

bool is_port(const std::string& text) {
  const auto number = parse_number(text);
  return number && *number >= 0 && *number <= 65535 && text.size() <= 5 &&
         is_digit(text[0]);
}

ProxyHeader parse_text(std::string_view bytes) {
  const std::size_t newline = bytes.substr(0, longest_text).find('\n');
  if (newline == std::string_view::npos)
    return bytes.size() < longest_text ? ProxyHeader()
                                       : bad("missing line terminator");
  if (newline == 0 || bytes[newline - 1] != '\r')
    return bad("missing line terminator");
  const std::vector<std::string> words =
      split(bytes.substr(text_start.size(), newline - 1 - text_start.size()),
            ' ');
  ProxyHeader header;
  header.state = State::done;
  header.size = newline + 1;
  header.local = words[0] == "UNKNOWN";
  if (header.local) return header;
  const bool v6 = words[0] == "TCP6";
  if (!v6 && words[0] != "TCP4") return bad("bad or missing protocol type");
  if (words.size() != 5) return bad("bad or missing addresses and ports");
  const auto client = address_of(words[1], v6);
  if (!client) return bad("bad or missing client address");
  const auto server = address_of(words[2], v6);
  if (!server) return bad("bad or missing server address");
  if (!is_port(words[3])) return bad("bad or missing client port");
  if (!is_port(words[4])) return bad("bad or missing server port");
  header.client_address = *client;
  header.server_address = *server;
  header.client_port = words[3];
  header.server_port = words[4];
  return header;
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}
unsigned short_at(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

std::string binary_address(std::string_view bytes, bool v6) {
  tables::Address address;
  address.v6 = v6;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    address.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
  return shown(address);
}

ProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() < fixed_part) return {};
  const unsigned command = byte_at(bytes, 12), family = byte_at(bytes, 13);
  const std::size_t rest = short_at(bytes, 14);
  if (command >> 4 != 2 || (command & 0x0f) > 1)
    return bad("bad version or command");
  if (fixed_part + rest > longest_proxy_header)
    return bad("protocol header too long");
  const bool local = (command & 0x0f) == 0 || family == unspecified;
  if (!local && family != tcp4 && family != tcp6)
    return bad("unsupported network protocol");
  const std::size_t size = family == tcp6 ? 16 : 4;
  if (!local && rest < 2 * size + 4) return bad("short protocol header");
  ProxyHeader header;
  if (bytes.size() < fixed_part + rest) return header;
  header.state = State::done;
  header.size = fixed_part + rest;
  header.local = local;
  if (local) return header;
  const std::string_view data = bytes.substr(fixed_part);
  header.client_address = binary_address(data.substr(0, size), family == tcp6);
  header.server_address =
      binary_address(data.substr(size, size), family == tcp6);
  header.client_port = std::to_string(short_at(data, 2 * size));
  header.server_port = std::to_string(short_at(data, 2 * size + 2));
  return header;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  if (may_become(bytes, text_start))
    return bytes.size() < text_start.size() ? ProxyHeader()
                                            : parse_text(bytes);
  if (may_become(bytes, signature)) return parse_binary(bytes);
  return bad("short protocol header");
}

}  // namespace postern::smtpd
