// Clients at the screen: what they hear, what the log says, what is kept.
#include "smtpd/screen.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::smtpd;
using Catch::Contains;

namespace {

constexpr std::int64_t start = 1'700'000'000;

class Answers final : public ScreenQuestions {
 public:
  Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) override {
    ipc::TableAnswer answer;
    const auto found = table.find(question.keys.at(0));
    answer.found = found != table.end();
    if (answer.found) answer.value = found->second;
    co_return std::move(answer);
  }
  Task<Result<ipc::ScreenAnswer>> remembered(std::string address) override {
    ipc::ScreenAnswer answer;
    if (memory.contains(address)) answer.line = memory[address];
    co_return std::move(answer);
  }
  Task<Result<ipc::ScreenAnswer>> remember(std::string address,
                                           std::string line) override {
    memory[address] = line;
    co_return ipc::ScreenAnswer();
  }
  Task<ipc::DnsListAnswer> list(std::string name, Millis) override {
    ipc::DnsListAnswer answer;
    const auto found = zone.find(name);
    answer.status = found == zone.end() ? "nxdomain" : "ok";
    if (found != zone.end()) {
      answer.records.push_back(found->second);
      answer.ttl = 300;
    }
    co_return std::move(answer);
  }
  std::int64_t now() override { return time; }
  std::shared_ptr<tls::ServerContext> tls() override { return nullptr; }
  bool full() override { return is_full; }

  std::map<std::string, std::string> table, memory, zone;
  std::int64_t time = start;
  bool is_full = false;
};

class Bench {
 public:
  explicit Bench(const std::string& lines = "") {
    log::set_recorder([this](std::string_view, log::Severity severity,
                             std::string_view text) {
      if (severity == log::Severity::warning) log_text += "warning: ";
      log_text += std::string(text) + "\n";
    });
    auto config = config::Config::parse(
        "compatibility_level = 3.6\nmynetworks = 127.0.0.1/32\n"
        "myhostname = mail.here.test\nmail_name = Postfix\n"
        "inet_interfaces = 127.0.0.1\npostscreen_greet_wait = 1s\n" + lines,
        "/nonexistent");
    REQUIRE(config);
    settings = std::make_shared<ScreenSettings>(
        ScreenSettings::read(*config, log));
    settings->open_tables();
  }
  ~Bench() { log::set_recorder({}); }

  void connect(const std::string& address = "192.0.2.1",
               std::int64_t connections = 1) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0, ends) == 0);
    client = Fd(ends[1]);
    access::Client who;
    who.address = address;
    who.port = "4000";
    who.server_address = "198.51.100.1";
    who.server_port = "25";
    screen = std::make_unique<Screen>(Fd(ends[0]), who, settings, answers,
                                      room, log, log);
    over = false;
    nursery.start(run(connections));
  }
  void say(const std::string& text) {
    REQUIRE(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  // Until so many last lines of replies have come since the last call.
  std::string hear(int replies = 1) {
    std::string heard;
    loop.run_until([&] {
      take(heard);
      int seen = 0;
      for (std::size_t at = 0; at < heard.size();) {
        const std::size_t end = heard.find('\n', at);
        if (end == std::string::npos) break;
        if (heard.size() > at + 3 && heard[at + 3] == ' ') ++seen;
        at = end + 1;
      }
      return seen >= replies || over;
    });
    return heard;
  }
  // The end of the client's time at the screen.
  std::string finish() {
    std::string heard;
    loop.run_until([&] {
      take(heard);
      return over;
    });
    take(heard);
    return heard;
  }
  void hang_up() { client.reset(); }

  Loop loop;
  log::Log log{"postern/postscreen"};
  std::string log_text;
  Answers answers;
  ScreenRoom room{100};
  std::shared_ptr<ScreenSettings> settings;
  std::unique_ptr<Screen> screen;
  Fd client, passed;
  bool over = false;
  Nursery nursery;

 private:
  void take(std::string& heard) {
    char buffer[4096];
    if (!client) return;
    const ssize_t size = ::recv(client.get(), buffer, sizeof buffer, 0);
    if (size > 0) heard.append(buffer, static_cast<std::size_t>(size));
  }
  Task<void> run(std::int64_t connections) {
    passed = co_await screen->run(connections);
    over = true;
    if (!passed) client_left = true;
  }
  bool client_left = false;
};

std::string conversation(Bench& bench, const std::vector<std::string>& lines) {
  std::string heard = bench.hear();
  for (const std::string& line : lines) {
    bench.say(line);
    heard += bench.hear();
  }
  bench.hang_up();
  bench.finish();
  return heard;
}

}  // namespace

TEST_CASE("A client that waits passes, and comes in at once next time") {
  Bench bench;
  bench.connect();
  CHECK(bench.finish() == "220-mail.here.test ESMTP Postfix\r\n");
  CHECK(bench.passed);
  CHECK_THAT(bench.log_text,
             Contains("CONNECT from [192.0.2.1]:4000 to [198.51.100.1]:25\n"
                      "PASS NEW [192.0.2.1]:4000\n"));
  CHECK(bench.answers.memory["192.0.2.1"] ==
        std::to_string(start + 86400) + ";0;0;0;0");
  bench.log_text.clear();
  bench.connect();
  CHECK(bench.finish().empty());
  CHECK(bench.passed);
  CHECK_THAT(bench.log_text, Contains("PASS OLD [192.0.2.1]:4000\n"));
  // A day later it waits again, and is still no new one.
  bench.answers.time += 86400;
  bench.log_text.clear();
  bench.connect();
  CHECK_FALSE(bench.finish().empty());
  CHECK_THAT(bench.log_text, Contains("PASS OLD [192.0.2.1]:4000\n"));
}

TEST_CASE("Who speaks before the greeting is told apart, as the action says") {
  struct Case {
    const char* action;
    bool passes;
    const char* heard;
  };
  for (const Case& each :
       {Case{"ignore", true, ""}, Case{"drop", false, "521 5.5.1 Protocol"}}) {
    CAPTURE(each.action);
    Bench bench(std::string("postscreen_greet_action = ") + each.action +
                "\n");
    bench.connect();
    bench.say("EHLO a.test\r\nMAIL\t\r\n");
    bench.hear();
    if (!each.passes) bench.hang_up();
    const std::string heard = bench.finish();
    CHECK(bench.passed.valid() == each.passes);
    CHECK_THAT(bench.log_text,
               Contains("PREGREET 20 after ") &&
                   Contains(" from [192.0.2.1]:4000: EHLO a.test\\r\\n"
                            "MAIL\\t\\r\\n\n") &&
                   !Contains("PASS"));
    CHECK(bench.answers.memory.empty());
    // Nothing was taken from the connection that goes on.
    if (each.passes) {
      char buffer[64];
      CHECK(::recv(bench.passed.get(), buffer, sizeof buffer, 0) == 20);
    }
  }
}

TEST_CASE("A client that goes away before the greeting has passed nothing") {
  Bench bench;
  bench.connect();
  bench.hang_up();
  bench.finish();
  CHECK_FALSE(bench.passed);
  CHECK_THAT(bench.log_text,
             Contains("from [192.0.2.1]:4000 in tests before SMTP handshake\n"
                      "DISCONNECT [192.0.2.1]:4000\n"));
  CHECK(bench.answers.memory.empty());
}

TEST_CASE("The permanent list decides before all else") {
  const std::string lines =
      "postscreen_access_list = permit_mynetworks, static:x\n";
  struct Case {
    const char* address;
    const char* answer;
    const char* logged;
    bool passes_at_once;
  };
  const Case cases[] = {
      {"127.0.0.1", "reject", "ALLOWLISTED [127.0.0.1]:4000\n", true},
      {"192.0.2.7", "permit", "ALLOWLISTED [192.0.2.7]:4000\n", true},
      {"192.0.2.7", "dunno permit", "PASS NEW [192.0.2.7]:4000\n", false},
      {"192.0.2.7", "strange",
       "warning: static:x: unknown command: strange -- ignoring the remainder "
       "of this access list\n", false},
      {"192.0.2.7", "reject", "DENYLISTED [192.0.2.7]:4000\n", false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.address, each.answer);
    Bench bench(lines);
    bench.answers.table[each.address] = each.answer;
    bench.connect(each.address);
    CHECK(bench.finish().empty() == each.passes_at_once);
    CHECK(bench.passed);
    CHECK_THAT(bench.log_text, Contains(each.logged));
  }
  Bench bench(lines + "postscreen_denylist_action = drop\n"
                      "respectful_logging = no\n");
  bench.answers.table["192.0.2.7"] = "reject";
  bench.connect("192.0.2.7");
  CHECK(bench.hear() == "521 5.3.2 Service currently unavailable\r\n");
  bench.hang_up();
  bench.finish();
  CHECK_FALSE(bench.passed);
  CHECK_THAT(bench.log_text, Contains("BLACKLISTED [192.0.2.7]:4000\n"
                                      "DISCONNECT [192.0.2.7]:4000\n"));
}

TEST_CASE("DNS lists are asked while we wait, and refuse by their score") {
  const std::string lines =
      "postscreen_dnsbl_sites = a.test*2, w.test*-4\n"
      "postscreen_dnsbl_threshold = 2\n"
      "postscreen_dnsbl_allowlist_threshold = -1\n";
  {
    Bench bench(lines + "postscreen_dnsbl_action = drop\n"
                        "postscreen_dnsbl_reply_map = static:x\n");
    bench.answers.zone["1.2.0.192.a.test"] = "127.0.0.2";
    bench.answers.table["a.test"] = "shown.test";
    bench.connect();
    CHECK(bench.hear() ==
          "220-mail.here.test ESMTP Postfix\r\n521 5.7.1 Service unavailable; "
          "client [192.0.2.1] blocked using shown.test\r\n");
    bench.hang_up();
    bench.finish();
    CHECK_THAT(bench.log_text,
               Contains("listed by domain a.test as 127.0.0.2\n") &&
                   Contains("DNSBL rank 2 for [192.0.2.1]:4000\n"));
    CHECK(bench.answers.memory.empty());
  }

  // Welcome by its lists: no wait, no conversation, all passed for as long as
  // the answers hold.
  Bench other(lines + "postscreen_pipelining_enable = yes\n"
                      "postscreen_greet_wait = 600s\n");
  other.answers.zone["1.2.0.192.w.test"] = "127.0.0.2";
  other.connect();
  other.finish();
  CHECK(other.passed);
  CHECK_THAT(other.log_text, Contains("PASS NEW [192.0.2.1]:4000\n"));
  const std::string end = std::to_string(start + 300);
  CHECK(other.answers.memory["192.0.2.1"] ==
        end + ";" + end + ";" + end + ";" + end + ";" + end);
}

TEST_CASE("There is room for so many, all together and each") {
  struct Case {
    bool full;
    std::int64_t connections;
    int testing;
    const char* heard;
    const char* logged;
  };
  const Case cases[] = {
      {false, 51, 0, "421 4.7.0 Error: too many connections\r\n",
       "too many connections"},
      {true, 1, 0, "421 4.3.2 All server ports are busy\r\n",
       "all server ports busy"},
      {false, 1, 100, "421 4.3.2 All screening ports are busy\r\n",
       "all screening ports busy"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.logged);
    Bench bench;
    bench.answers.is_full = each.full;
    for (int i = 0; i < each.testing; ++i) bench.room.test_begins();
    bench.connect("192.0.2.1", each.connections);
    CHECK(bench.hear() == each.heard);
    bench.hang_up();
    bench.finish();
    CHECK_THAT(bench.log_text,
               Contains(std::string("NOQUEUE: reject: CONNECT from "
                                    "[192.0.2.1]:4000: ") + each.logged));
  }
}

TEST_CASE("Who is vetoed or enforced against is refused at RCPT") {
  Bench bench(
      "postscreen_allowlist_interfaces = !198.51.100.1 static:all\n"
      "postscreen_reject_footer = \\c call $client_address\n");
  bench.connect();
  const std::string heard = conversation(
      bench, {"EHLO c.test\r\n", "MAIL FROM:<a@c.test> SIZE=1\r\n",
              "RCPT TO:<b@here.test>\r\n", "QUIT\r\n"});
  CHECK_THAT(heard, Contains("250 2.1.0 Ok\r\n450 4.3.2 Service currently "
                             "unavailable call 192.0.2.1\r\n221 2.0.0 Bye"));
  CHECK_THAT(heard, !Contains("PIPELINING") && !Contains("AUTH"));
  CHECK_THAT(bench.log_text,
             Contains("ALLOWLIST VETO [192.0.2.1]:4000\n") &&
                 Contains("NOQUEUE: reject: RCPT from [192.0.2.1]:4000: 450 "
                          "4.3.2 Service currently unavailable call "
                          "192.0.2.1; from=<a@c.test>, to=<b@here.test>, "
                          "proto=ESMTP, helo=<c.test>\n") &&
                 !Contains("PASS"));
  CHECK(bench.answers.memory.empty());
}

TEST_CASE("The deep tests take a conversation and a second visit") {
  const std::string deep =
      "postscreen_pipelining_enable = yes\n"
      "postscreen_non_smtp_command_enable = yes\n"
      "postscreen_bare_newline_enable = yes\n";
  {
    Bench bench(deep);
    bench.connect();
    CHECK_THAT(conversation(bench, {"EHLO c.test\r\n",
                                    "MAIL FROM:<a@c.test>\r\n",
                                    "RCPT TO:<b@here.test>\r\n", "QUIT\r\n"}),
               Contains("450 4.3.2 Service currently unavailable\r\n"));
    CHECK_THAT(bench.log_text, Contains("PASS NEW [192.0.2.1]:4000\n"
                                        "DISCONNECT [192.0.2.1]:4000\n"));
    bench.log_text.clear();
    bench.connect();
    bench.finish();
    CHECK(bench.passed);
    CHECK_THAT(bench.log_text, Contains("PASS OLD [192.0.2.1]:4000\n"));
  }

  struct Case {
    const char* lines;
    const char* said;
    const char* logged;
    const char* heard;
  };
  const Case cases[] = {
      {"", "MAIL FROM:<a@c.test>\r\nRCPT TO:<b@here.test>\r\n",
       "COMMAND PIPELINING from [192.0.2.1]:4000 after MAIL: RCPT "
       "TO:<b@here.test>\\r\\n\n",
       "250 2.1.0 Ok\r\n550 5.5.1 Protocol error\r\n"},
      {"postscreen_pipelining_action = drop\n", "NOOP\r\nNOOP\r\n",
       "COMMAND PIPELINING from", "521 5.5.1 Protocol error\r\n"},
      {"postscreen_bare_newline_action = drop\n", "NOOP\n",
       "BARE NEWLINE from [192.0.2.1]:4000 after NOOP\n",
       "521 5.5.1 Protocol error\r\n"},
      {"", "Subject: x\r\n",
       "NON-SMTP COMMAND from [192.0.2.1]:4000 after CONNECT: Subject: x\n",
       "521 5.7.0 Error: I can break rules, too. Goodbye.\r\n"},
      {"postscreen_command_count_limit = 0\n", "NOOP\r\n",
       "COMMAND COUNT LIMIT from [192.0.2.1]:4000 after CONNECT\n",
       "421 mail.here.test Service unavailable - try again later\r\n"},
      {"line_length_limit = 20\n", "NOOP aaaaaaaaaaaaaaaaaaaaaaaa",
       "COMMAND LENGTH LIMIT from [192.0.2.1]:4000 after CONNECT\n",
       "421 mail.here.test Service unavailable - try again later\r\n"},
      {"", "DATA\r\n", "DATA without valid RCPT from [192.0.2.1]:4000\n",
       "503 5.5.1 Error: need RCPT command\r\n"},
      {"postscreen_command_time_limit = 1s\n", "NO",
       "COMMAND TIME LIMIT from [192.0.2.1]:4000 after CONNECT\n",
       "421 4.4.2 mail.here.test Error: timeout exceeded\r\n"},
      {"postscreen_tls_security_level = encrypt\n", "MAIL FROM:<>\r\n", "",
       "530 5.7.0 Must issue a STARTTLS command first\r\n"},
      {"", "AUTH PLAIN x\r\n", "", "502 5.5.2 Error: command not recognized"},
      {"postscreen_helo_required = yes\n", "MAIL FROM:<>\r\n", "",
       "503 5.5.1 Error: send HELO/EHLO first\r\n"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.said, each.lines);
    Bench failing(deep + each.lines);
    failing.connect();
    failing.hear();
    failing.say(each.said);
    std::string heard = failing.hear();
    failing.hang_up();
    heard += failing.finish();
    CHECK_THAT(heard, Contains(each.heard));
    CHECK_THAT(failing.log_text, Contains(each.logged) && !Contains("PASS"));
  }
}

TEST_CASE("Times in the log have two digits that count") {
  using namespace std::chrono_literals;
  CHECK(short_time(0.001s) == "0");
  CHECK(short_time(0.014s) == "0.01");
  CHECK(short_time(0.25s) == "0.25");
  CHECK(short_time(1.23s) == "1.2");
  CHECK(short_time(12.3s) == "12");
}
