#include "common/config/master_table.h"

#include <catch2/catch.hpp>

using namespace postern::config;

namespace {

ServiceRow one(const std::string& text) {
  auto table = MasterTable::parse(text, "master");
  if (!table) FAIL(table.trouble().text);
  REQUIRE(table->rows().size() == 1);
  return table->rows()[0];
}

}  // namespace

TEST_CASE("fields have their meanings and defaults") {
  ServiceRow row = one("qmgr unix n - y 300? 1 qmgr\n");
  CHECK(row.name == "qmgr");
  CHECK(row.type == "unix");
  CHECK(!row.private_);
  CHECK(row.unprivileged);
  CHECK(row.chroot);
  CHECK(row.wakeup == std::chrono::seconds(300));
  CHECK(row.wakeup_if_used);
  CHECK(row.maxproc == 1);
  CHECK(row.program == "qmgr");
  row = one("flush fifo - - - - - flush\n");
  CHECK(row.private_);
  CHECK(!row.chroot);
  CHECK(row.wakeup.count() == 0);
  CHECK(row.maxproc == -1);
}

TEST_CASE("inet names have a host and a port") {
  auto [name, host, port] =
      GENERATE(table<std::string, std::string, std::string>({
          {"smtp", "", "smtp"},
          {"2525", "", "2525"},
          {"127.0.0.1:2525", "127.0.0.1", "2525"},
          {"[::1]:smtp", "::1", "smtp"},
          {":587", "", "587"},
      }));
  CAPTURE(name);
  ServiceRow row = one(name + " inet n - n - - smtpd\n");
  CHECK(row.host == host);
  CHECK(row.port == port);
}

TEST_CASE("options are read until the first other word") {
  ServiceRow row = one(
      "s inet n - n - - smtpd -o a=b -oc=d -v -vv -D -o { e = f g }\n"
      "  # comment\n  -o {h=} -o i=\n");
  CHECK(row.overrides ==
        std::vector<std::pair<std::string, std::string>>{
            {"a", "b"}, {"c", "d"}, {"e", "f g"}, {"h", ""}, {"i", ""}});
  CHECK(row.verbose == 3);
  CHECK(row.debug);
  CHECK(row.args.empty());
  row = one("p unix - n n - - pipe -o x=y\n flags=F argv=/bin/cat "
            "{ a  b } -o x=y ${user}\n");
  CHECK(row.overrides.size() == 1);
  CHECK(row.args == std::vector<std::string>{"flags=F", "argv=/bin/cat",
                                             "a  b", "-o", "x=y", "${user}"});
}

TEST_CASE("the last of two rows with one name counts") {
  auto table = MasterTable::parse(
      "s inet n - n - - smtpd\ns unix n - n - - smtp\n"
      "s inet n - n - 3 smtpd\n",
      "master");
  REQUIRE(table.ok());
  CHECK(table->rows().size() == 2);
  CHECK(table->find("s", "inet")->maxproc == 3);
  CHECK(table->find("s", "fifo") == nullptr);
  CHECK(table->warnings().size() == 1);
}

TEST_CASE("rows that cannot be are told with their place") {
  auto [text, column, expected] =
      GENERATE(table<std::string, int, std::string>({
          {"broken line here", 17, "bad field count"},
          {"s innet n - n - - smtpd", 3, "bad transport type: innet"},
          {"s inet q - n - - smtpd", 8, "invalid private field \"q\""},
          {"s inet n - n x - smtpd", 14, "invalid wakeup field \"x\""},
          {"s inet n - n - -5 smtpd", 16, "invalid maxproc field \"-5\""},
          {"[::1 inet n - n - - smtpd", 1,
           "bad hostname or network address: [::1"},
          {"s inet n - n - - smtpd -o", 24, "option -o has no name=value"},
          {"s inet n - n - - smtpd -o {a b}", 27,
           "missing '=' after attribute name: \"a b\""},
          {"s inet n - n - - smtpd -o {a=b", 27, "missing '}' in \"{a=b\""},
          {"s inet n - n - - -o a=b", 18, "invalid command field \"-o\""},
      }));
  CAPTURE(text);
  std::vector<TableProblem> problems;
  MasterTable::read("\n" + text + "\n", "master", problems);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].text == expected);
  CHECK(problems[0].line == 2);
  CHECK(problems[0].column == column);
  auto parsed = MasterTable::parse("\n" + text + "\n", "master");
  REQUIRE(!parsed.ok());
  CHECK(parsed.trouble().text == "master: line 2: " + expected);
}
