#include "common/dns/message.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>

#include "common/dns/names.h"
#include "common/dns/system_files.h"
#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::dns {
namespace {

using namespace std::string_literals;

// Header with one question for x.y, type MX, and one answer.
const std::string head = "\0\1\x81\x80\0\1\0\1\0\0\0\0\1x\1y\0\0\xf\0\1"s;

TEST_CASE("a record is read through compressed names") {
  const auto message =
      parse_message(head + "\xc0\xc\0\xf\0\1\0\0\0\x3c\0\7\0\xa\2Mx\xc0\xc"s);
  REQUIRE(message);
  REQUIRE(message->answers.size() == 1);
  const Record& record = message->answers[0];
  CHECK(record.owner == "x.y");
  CHECK(record.ttl == 60);
  CHECK(record.preference == 10);
  CHECK(record.value == "Mx.x.y");
  CHECK(record.presentation() == "10 Mx.x.y.");
}

TEST_CASE("strange labels are escaped, strings of TXT joined") {
  const auto name = parse_message(head + "\0\0\5\0\1\0\0\0\1\0\6\4a. \\\0"s);
  REQUIRE(name);
  CHECK(name->answers[0].value == "a\\.\\032\\\\");
  const auto text = parse_message(head + "\0\0\x10\0\1\0\0\0\1\0\6\2ab\2c\n"s);
  REQUIRE(text);
  CHECK(text->answers[0].value == "abc?");
}

TEST_CASE("a TLSA record is three numbers and data") {
  const auto message = parse_message(head + "\0\0\x34\0\1\0\0\0\1\0\5\3\1\1\xab\xcd"s);
  REQUIRE(message);
  CHECK(message->answers[0].presentation() == "3 1 1 ABCD");
}

TEST_CASE("what is no message is refused") {
  const std::string cases[] = {
      head + "\0\0\x34\0\1\0\0\0\1\0\2\3\1"s,  // TLSA without its third number
      "",
      head,                                           // no answer there
      head + "\xc0\x14\0\5\0\1\0\0\0\1\0\2\xc0\xc"s,  // points at itself
      head + "\0\0\1\0\1\0\0\0\1\0\3\1\2\3"s,         // short address
      head + "\0\0\1\0\1\0\0\0\1\0\5\1\2\3\4\5"s,     // long address
      head + "\0\0\1\0\1\0\0\0\1\0\4\1\2\3"s,         // cut off
      head + "\0\0\5\0\1\0\0\0\1\0\2\x7f\0"s,         // label type
      head + "\0\0\x10\0\1\0\0\0\1\0\2\2a"s,          // short string
  };
  for (const std::string& bytes : cases) {
    CAPTURE(bytes);
    CHECK_FALSE(parse_message(bytes));
  }
}

TEST_CASE("records of other types and classes are passed over") {
  const auto message = parse_message(head + "\0\0\xfa\0\1\0\0\0\1\0\2ab"s);
  REQUIRE(message);
  CHECK(message->answers.empty());
}

TEST_CASE("addresses have reverse names") {
  CHECK(reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name("2001:db8::1") ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
        "ip6.arpa");
  CHECK_FALSE(reverse_name("example.test"));
  CHECK_FALSE(reverse_name("unknown"));
}

TEST_CASE("failures have their words and codes") {
  const Trouble gone = trouble("a.test", Type::mx, Outcome::nxdomain);
  CHECK(gone.status() == "5.4.4");
  CHECK(gone.text ==
        "Host or domain name not found. Name service error for name=a.test "
        "type=MX: Host not found");
  const Trouble later = trouble("a.test", Type::a, Outcome::timeout);
  CHECK(later.status() == "4.4.3");
  CHECK(later.text.ends_with("type=A: Host not found, try again"));
}

TEST_CASE("a hosts file gives addresses and names") {
  const Hosts hosts = Hosts::parse(
      "127.0.0.1\tlocalhost loop # home\n"
      "# 192.0.2.1 hidden\n"
      "::1 localhost ip6-localhost\r\n"
      "::0001 again\n"
      "192.0.2.5 Mail.Example.test mail\n"
      "192.0.2.5 second\n"
      "127.0.0.1 localhost\n"
      "nonsense name\n192.0.2.6\n"
      "fe80::1%eth0 link");
  using List = std::vector<std::string>;
  CHECK(hosts.addresses("LOCALHOST", Families::both) ==
        List{"127.0.0.1", "::1"});
  CHECK(hosts.addresses("localhost", Families::v6) == List{"::1"});
  CHECK(hosts.addresses("mail", Families::v4) == List{"192.0.2.5"});
  CHECK(hosts.addresses("hidden", Families::both).empty());
  CHECK(hosts.addresses("name", Families::both).empty());
  CHECK(hosts.addresses("link", Families::both) == List{"fe80::1"});
  CHECK(hosts.name_of("192.0.2.5") == "Mail.Example.test");
  CHECK(hosts.name_of("0:0:0:0:0:0:0:1") == "localhost");
  CHECK_FALSE(hosts.name_of("192.0.2.6"));
  CHECK_FALSE(hosts.name_of("localhost"));
}

TEST_CASE("a hosts file is read again when it was replaced") {
  char path[] = "/tmp/postern-hosts-XXXXXX";
  const Fd file(::mkstemp(path));
  REQUIRE(file.valid());
  HostsFile hosts(path);
  CHECK(hosts.current().addresses("a", Families::both).empty());
  REQUIRE(os::replace_file(path, "192.0.2.1 a\n").ok());
  CHECK(hosts.current().addresses("a", Families::both).size() == 1);
  REQUIRE(os::replace_file(path, "192.0.2.1 b\n").ok());
  CHECK(hosts.current().addresses("a", Families::both).empty());
  ::unlink(path);
  CHECK(hosts.current().addresses("b", Families::both).empty());
}

TEST_CASE("name servers are read in all their forms") {
  CHECK(server_from("192.0.2.1") == "192.0.2.1@53");
  CHECK(server_from("192.0.2.1@5353") == "192.0.2.1@5353");
  CHECK(server_from("192.0.2.1:5353") == "192.0.2.1@5353");
  CHECK(server_from("::1") == "::1@53");
  CHECK(server_from("[::1]") == "::1@53");
  CHECK(server_from("[::1]:99") == "::1@99");
  CHECK_FALSE(server_from("[::1]x"));
  CHECK_FALSE(server_from("192.0.2.1@65536"));
  CHECK_FALSE(server_from(""));
  CHECK(servers_of("search x\nnameserver 192.0.2.1 # one\n;nameserver ::2\n"
                   "nameserver fe80::1%eth0\nnameserver bad\n") ==
        std::vector<std::string>{"192.0.2.1@53", "fe80::1%eth0@53"});
  CHECK(servers_of("options rotate\n") ==
        std::vector<std::string>{"127.0.0.1@53"});
}

TEST_CASE("inet_protocols chooses address families") {
  CHECK(families_from("all") == Families::both);
  CHECK(families_from("ipv4, ipv6") == Families::both);
  CHECK(families_from("IPv4") == Families::v4);
  CHECK(families_from("ipv6") == Families::v6);
}

}  // namespace
}  // namespace postern::dns
