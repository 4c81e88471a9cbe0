// The program itself, confined, driven as master drives it.
#include "common/ipc/messages/lookup.h"
#include "common/os/files.h"
#include "tests/support/daemon_process.h"
#include "tests/support/dns_server.h"

namespace postern::lookup {
namespace {

constexpr std::string_view zone = R"(
example.test MX 10 mx.example.test
mx.example.test A 192.0.2.1
2.0.0.127.in-addr.arpa PTR mx.example.test
)";

TEST_CASE("the confined program answers every kind of question") {
  test::DaemonProcess process("POSTERN_LOOKUP", Role::lookup, "lookup");
  const test::DnsServer name_server{zone};
  const std::string& directory = process.directory();
  REQUIRE(os::make_directories(directory + "/data", 0700).ok());
  REQUIRE(os::replace_file(directory + "/table", "key value\n").ok());
  process.start({{"dns_servers", name_server.address()},
                 {"inet_protocols", "ipv4"},
                 {"data_directory", directory + "/data"}});
  const bool ready = process.await_ready();
  INFO(process.log());
  REQUIRE(ready);
  const auto smtpd = process.link(Role::smtpd);
  const auto smtp = process.link(Role::smtp);
  const auto local = process.link(Role::local);
  const std::string table = "texthash:" + directory + "/table";
  CHECK(process.get(*smtpd, ipc::TableFind{table, {"key"}, 1}).value ==
        "value");
  CHECK(process.get(*smtpd, ipc::TableFind{"hash:/nonexistent", {"a"}, 1})
            .trouble.present);
  CHECK(process.get(*local, ipc::UserFind{"root"}).found);
  const ipc::MailHostsAnswer hosts =
      process.get(*smtp, ipc::MailHostsFind{"example.test", true, false, true});
  REQUIRE(hosts.addresses.size() == 1);
  CHECK(hosts.addresses[0].address == "192.0.2.1");
  CHECK(process.get(*smtp, ipc::DnsFind{"nosuch.test", "A"}).status ==
        "nxdomain");
  CHECK(process.get(*smtpd, ipc::ClientNameFind{"127.0.0.2"}).reverse_name ==
        "mx.example.test");
  CHECK(process.get(*smtpd, ipc::AnvilNote{"connect", "smtp:x"}).count == 1);
  // What no table has named is not read for anybody.
  const std::string token = directory + "/token";
  REQUIRE(os::replace_file(token, "secret\nmore\n").ok());
  REQUIRE(os::replace_file(directory + "/logins",
                           "host user:<" + token + "\n").ok());
  CHECK(process.get(*smtp, ipc::FileFind{token, "line"}).trouble.present);
  const std::string logins = "texthash:" + directory + "/logins";
  process.get(*smtp, ipc::TableFind{logins, {"host"}, 1});
  CHECK(process.get(*smtp, ipc::FileFind{token, "line"}).content == "secret");
  CHECK(process.drain() == 0);
  const std::string log = process.log();
  CHECK(log.find("postern/lookup") != std::string::npos);
  CHECK(log.find("warning: hash:/nonexistent is unavailable. open database "
                 "/nonexistent.db: No such file or directory") !=
        std::string::npos);
  CHECK(log.find("/anvil[") != std::string::npos);
  CHECK(log.find("statistics: max connection rate 1/60s for (smtp:x) at ") !=
        std::string::npos);
}

}  // namespace
}  // namespace postern::lookup
