#include "smtpd/proxy_header.h"

#include <catch2/catch.hpp>

using namespace postern::smtpd;
using State = ProxyHeader::State;

namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string binary(std::initializer_list<int> bytes) {
  std::string out = signature;
  for (const int byte : bytes) out += static_cast<char>(byte);
  return out;
}

std::string shown(const ProxyHeader& header) {
  if (header.state == State::more) return "more";
  if (header.state == State::bad) return header.problem;
  if (header.local) return "local " + std::to_string(header.size);
  return header.client_address + " " + header.client_port + " > " +
         header.server_address + " " + header.server_port + " " +
         std::to_string(header.size);
}

}  // namespace

TEST_CASE("A header of version 1 names both ends, or none") {
  struct Case {
    const char* text;
    const char* expected;
  };
  const Case cases[] = {
      {"PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\nEHLO a\r\n",
       "192.0.2.9 4711 > 198.51.100.1 25 43"},
      {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n",
       "2001:db8::1 4711 > 2001:db8::2 25 44"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 65535\r\n",
       "192.0.2.1 1 > ::1 65535 41"},
      {"PROXY UNKNOWN\r\n", "local 15"},
      {"PROXY UNKNOWN what ever 1 2\r\n", "local 29"},
      {"", "more"},
      {"PROX", "more"},
      {"PROXY TCP4 192.0.2.9", "more"},
      {"EHLO a\r\n", "short protocol header"},
      {"PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\n",
       "missing line terminator"},
      {"PROXY UDP4 192.0.2.9 198.51.100.1 4711 25\r\n",
       "bad or missing protocol type"},
      {"PROXY TCP4 192.0.2.9\r\n", "bad or missing addresses and ports"},
      {"PROXY TCP4 192.0.2.900 198.51.100.1 1 25\r\n",
       "bad or missing client address"},
      {"PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n",
       "bad or missing client address"},
      {"PROXY TCP4 192.0.2.9 nobody 1 25\r\n",
       "bad or missing server address"},
      {"PROXY TCP4 192.0.2.9 198.51.100.1 65536 25\r\n",
       "bad or missing client port"},
      {"PROXY TCP4 192.0.2.9 198.51.100.1 1 -5\r\n",
       "bad or missing server port"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.text);
    CHECK(shown(parse_proxy_header(each.text)) == each.expected);
  }
  CHECK(shown(parse_proxy_header("PROXY " + std::string(101, 'x'))) ==
        "missing line terminator");
}

TEST_CASE("A header of version 2 names both ends, or none") {
  CHECK(shown(parse_proxy_header(
            binary({0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 2, 0x12,
                    0x34, 0, 25}) +
            "EHLO")) == "192.0.2.7 4660 > 198.51.100.2 25 28");
  // What is behind the addresses is skipped.
  CHECK(shown(parse_proxy_header(
            binary({0x21, 0x11, 0, 15, 192, 0, 2, 7, 198, 51, 100, 2, 0x12,
                    0x34, 0, 25, 4, 0, 0}))) ==
        "192.0.2.7 4660 > 198.51.100.2 25 31");
  CHECK(shown(parse_proxy_header(
            binary({0x21, 0x21, 0, 36, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0,
                    0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
                    0xff, 127, 0, 0, 1, 0, 1, 0, 2}))) ==
        "2001:db8::1 1 > 127.0.0.1 2 52");
  CHECK(shown(parse_proxy_header(binary({0x20, 0, 0, 0}))) == "local 16");
  CHECK(shown(parse_proxy_header(binary({0x20, 0x11, 0, 2, 1, 2}))) ==
        "local 18");
  CHECK(shown(parse_proxy_header(binary({0x21, 0, 0, 0}))) == "local 16");
  CHECK(shown(parse_proxy_header(signature.substr(0, 5))) == "more");
  CHECK(shown(parse_proxy_header(binary({0x21, 0x11, 0, 12, 1}))) == "more");
  CHECK(shown(parse_proxy_header(binary({0x11, 0x11, 0, 12}))) ==
        "bad version or command");
  CHECK(shown(parse_proxy_header(binary({0x22, 0x11, 0, 12}))) ==
        "bad version or command");
  CHECK(shown(parse_proxy_header(binary({0x21, 0x31, 0, 12}))) ==
        "unsupported network protocol");
  CHECK(shown(parse_proxy_header(binary({0x21, 0x11, 0, 11}))) ==
        "short protocol header");
  CHECK(shown(parse_proxy_header(binary({0x21, 0x11, 0xff, 0xff}))) ==
        "protocol header too long");
}
