#include "smtp/delivery.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "smtp/agent.h"
#include "tests/unit/smtp/delivery_world.h"
#include "tests/unit/smtp/sink.h"

namespace postern::smtp {
namespace {

using namespace test;

using ipc::Outcome;

TEST_CASE("a message is sent with what the server offers", "[smtp]") {
  World world;
  Sink sink{Script{}};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"x@there.test", "a b@c"});
  ask.envid = "e+1";
  ask.ret = "HDRS";
  ask.body = "8BITMIME";
  ask.recipients[1].notify = ipc::notify_success | ipc::notify_delay;
  ask.recipients[1].orcpt = "rfc822;old@there.test";
  const ipc::DeliverReport report = world.deliver(std::move(ask));
  world.settle(sink);

  CHECK(sink.sessions().front() ==
        Lines{"EHLO here.test",
              "MAIL FROM:<ann@here.test> SIZE=11 BODY=8BITMIME ENVID=e+2B1 "
              "RET=HDRS",
              "RCPT TO:<x@there.test> ORCPT=rfc822;x@there.test",
              "RCPT TO:<\"a b\"@c> ORCPT=rfc822;old@there.test "
              "NOTIFY=SUCCESS,DELAY",
              "DATA", "| S: x", "| ", "| text", ".", "QUIT"});
  CHECK(verdict(report, 100) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
  CHECK(verdict(report, 101) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
  CHECK(report.results[0].text ==
        "delivery via " + local(sink) + ": 250 2.0.0 Ok: taken");
  CHECK_FALSE(report.destination_failed);
  // The server does DSN: no notice is due here.
  CHECK(report.results[1].success_action.empty());
  // EHLO, then the envelope in one piece, then the message with its end.
  CHECK(sink.reads() == 3);
  REQUIRE(world.lines.size() == 2);
  CHECK(world.lines[1].find("QID: to=<\"a b\"@c>, relay=" + local(sink) +
                            ", delay=0") == 0);
  CHECK(ends_with_nocase(world.lines[1],
                         "dsn=2.0.0, status=sent (250 2.0.0 Ok: taken)"));
}

TEST_CASE("a server without extensions hears one command at a time", "[smtp]") {
  World world;
  Script script;
  script.rules = {{"EHLO", "502 5.5.2 what?"}};
  Sink sink{script};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"x@there.test"});
  ask.recipients[0].notify = ipc::notify_success;
  const ipc::DeliverReport report = world.deliver(std::move(ask));
  world.settle(sink);
  CHECK(sink.sessions().front() ==
        Lines{"EHLO here.test", "HELO here.test", "MAIL FROM:<ann@here.test>",
              "RCPT TO:<x@there.test>", "DATA", "| S: x", "| ", "| text", ".",
              "QUIT"});
  CHECK(verdict(report, 100) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
  CHECK(report.results[0].success_action == "relayed");
}

TEST_CASE("the choice between EHLO and HELO follows the parameters", "[smtp]") {
  struct {
    bool always, never;
    const char* banner;
    const char* hello;
  } const cases[] = {
      {true, false, "220 mx.test SMTP", "EHLO here.test"},
      {false, false, "220 mx.test SMTP", "HELO here.test"},
      {false, false, "220 mx.test ESMTP ready", "EHLO here.test"},
      {true, true, "220 mx.test ESMTP", "HELO here.test"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.banner, c.always, c.never);
    World world;
    world.settings.always_send_ehlo = c.always;
    world.settings.never_send_ehlo = c.never;
    Script script;
    script.banner = c.banner;
    Sink sink{script};
    world.deliver(request(sink.next_hop(), {"x@there.test"}));
    CHECK(sink.sessions().front().front() == c.hello);
  }
}

TEST_CASE("a refused recipient does not spoil the others", "[smtp]") {
  for (const bool pipelining : {true, false}) {
    CAPTURE(pipelining);
    World world;
    Script script;
    if (!pipelining) script.offers = {};
    script.rules = {{"RCPT TO:<no", "550-5.1.1 who\n550 5.1.1 is that"},
                    {"RCPT TO:<later", "450 4.2.0 full"}};
    Sink sink{script};
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), {"no@b", "yes@b", "later@b"}));
    const std::string host = "host 127.0.0.1[127.0.0.1] said: ";
    CHECK(verdict(report, 100) ==
          "bounced 5.1.1 | " + host +
              "550-5.1.1 who 550 5.1.1 is that (in reply to RCPT TO command)");
    CHECK(verdict(report, 101) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
    CHECK(verdict(report, 102) ==
          "deferred 4.2.0 | " + host +
              "450 4.2.0 full (in reply to RCPT TO command)");
    CHECK(report.results[0].diagnostic == "550-5.1.1 who 550 5.1.1 is that");
    CHECK(report.results[0].remote_mta == "127.0.0.1");
    CHECK_FALSE(report.destination_failed);
  }
}

// 64 KB of a server's words per recipient, twice, do not fit into a report.
TEST_CASE("a server that talks a lot is quoted in short", "[smtp]") {
  World world;
  Script script;
  const auto refuse = [&](int lines) {
    std::string chatter;
    for (int i = 0; i < lines; ++i)
      chatter += "550-5.1.1 " + std::string(580, 'x') + "\xc3\xbc\n";
    script.rules = {{"RCPT TO:<no", chatter + "550 5.1.1 no"}};
  };
  Lines recipients;
  SECTION("to a few") {
    refuse(100);
    Sink sink{script};
    for (int i = 0; i < 45; ++i)
      recipients.push_back("no" + std::to_string(i) + "@b");
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), recipients));
    REQUIRE(report.results.size() == 45);
    CHECK(ipc::frame_size(report).bytes < ipc::largest_frame / 8);
    CHECK(report.results[44].diagnostic.size() > 1900);
    CHECK(report.results[44].diagnostic.size() < 2100);
    CHECK(report.results[44].diagnostic.ends_with("..."));
    CHECK(valid_utf8(report.results[44].diagnostic));
  }
  SECTION("to a crowd") {
    refuse(5);
    script.offers = {};
    Sink sink{script};
    for (int i = 0; i < 3000; ++i)
      recipients.push_back("no" + std::to_string(i) + "@b");
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), recipients));
    REQUIRE(report.results.size() == 3000);
    CHECK(ipc::frame_size(report).bytes < ipc::largest_frame);
  }
}

TEST_CASE("nothing is sent when nobody is accepted", "[smtp]") {
  struct {
    bool pipelining;
    const char* data;
    Lines rest;
  } const cases[] = {
      // 354 all the same (RFC 2920 3.1): an empty message.
      {true, "354 go", {"DATA", ".", "QUIT"}},
      {true, "554 no", {"DATA", "QUIT"}},
      {false, "354 go", {"QUIT"}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.pipelining, c.data);
    World world;
    Script script;
    if (!c.pipelining) script.offers = {};
    script.rules = {{"RCPT", "550 5.1.1 no"}, {"DATA", c.data}};
    Sink sink{script};
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), {"x@b", "y@b"}));
    world.settle(sink);
    CHECK(starts_with_nocase(verdict(report, 101), "bounced 5.1.1"));
    const Lines& told = sink.sessions().front();
    CHECK(Lines(told.begin() + 4, told.end()) == c.rest);
  }
}

TEST_CASE("answers to MAIL, DATA and the message are for all", "[smtp]") {
  struct {
    const char* command;
    const char* reply;
    const char* verdict;
  } const cases[] = {
      {"MAIL", "421 4.3.2 later",
       "deferred 4.3.2 | host 127.0.0.1[127.0.0.1] said: 421 4.3.2 later (in "
       "reply to MAIL FROM command)"},
      {"MAIL", "550 never",
       "bounced 5.0.0 | host 127.0.0.1[127.0.0.1] said: 550 never (in reply "
       "to MAIL FROM command)"},
      {"DATA", "451 4.3.0 no",
       "deferred 4.3.0 | host 127.0.0.1[127.0.0.1] said: 451 4.3.0 no (in "
       "reply to DATA command)"},
      {".", "554 5.7.1 spam",
       "bounced 5.7.1 | host 127.0.0.1[127.0.0.1] said: 554 5.7.1 spam (in "
       "reply to end of DATA command)"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.command, c.reply);
    World world;
    Script script;
    script.rules = {{c.command, c.reply}};
    Sink sink{script};
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), {"x@b", "y@b"}));
    CHECK(verdict(report, 100) == c.verdict);
    CHECK(verdict(report, 101) == c.verdict);
    CHECK_FALSE(report.destination_failed);
  }
}

TEST_CASE("a server that refuses to talk is asked again later", "[smtp]") {
  struct {
    const char* step;
    const char* reply;
    const char* verdict;
    bool failed;
  } const cases[] = {
      {"CONNECT", "554 5.7.1 go away",
       "deferred 4.7.1 | host 127.0.0.1[127.0.0.1] refused to talk to me: 554 "
       "5.7.1 go away",
       true},
      {"EHLO", "421 4.3.2 busy",
       "deferred 4.3.2 | host 127.0.0.1[127.0.0.1] refused to talk to me: 421 "
       "4.3.2 busy",
       true},
      {"HELO", "550 no",
       "bounced 5.0.0 | host 127.0.0.1[127.0.0.1] refused to talk to me: 550 "
       "no",
       false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.step);
    World world;
    world.settings.never_send_ehlo = std::string(c.step) == "HELO";
    Script script;
    script.rules = {{c.step, c.reply}};
    Sink sink{script};
    const ipc::DeliverReport report =
        world.deliver(request(sink.next_hop(), {"x@b"}));
    world.settle(sink);
    CHECK(verdict(report, 100) == c.verdict);
    CHECK(report.destination_failed == c.failed);
    CHECK(sink.sessions().front().back() == "QUIT");
  }
}

TEST_CASE("a lost or silent connection defers and says where", "[smtp]") {
  struct {
    const char* step;
    const char* doing;
  } const cases[] = {
      {"CONNECT", "receiving the initial server greeting"},
      {"EHLO", "performing the EHLO handshake"},
      {"MAIL", "sending MAIL FROM"},
      {"RCPT TO:<y", "sending RCPT TO"},
      {"DATA", "sending DATA command"},
      {".", "sending end of data -- message may be sent more than once"},
  };
  for (const auto& c : cases) {
    for (const bool silent : {false, true}) {
      CAPTURE(c.step, silent);
      if (silent && std::string(c.step) == ".") continue;
      World world;
      world.settings.limits.helo = world.settings.limits.mail =
          world.settings.limits.rcpt = world.settings.limits.data_init =
              Millis(50);
      Script script;
      script.offers = {};
      script.rules = {{c.step, silent ? "silence" : "close"}};
      Sink sink{script};
      const ipc::DeliverReport report =
          world.deliver(request(sink.next_hop(), {"x@b", "y@b"}));
      const std::string how =
          silent ? "conversation with 127.0.0.1[127.0.0.1] timed out while "
                 : "lost connection with 127.0.0.1[127.0.0.1] while ";
      CHECK(verdict(report, 100) == "deferred 4.4.2 | " + how + c.doing);
      CHECK(report.destination_failed);
      CHECK(report.failure_status == "4.4.2");
    }
  }
}

TEST_CASE("nobody listens: deferred, and the log says so twice", "[smtp]") {
  World world;
  int port = 0;
  {
    Sink sink{Script{}};
    port = sink.port();
  }
  const std::string place =
      "connect to 127.0.0.1[127.0.0.1]:" + std::to_string(port) +
      ": Connection refused";
  const ipc::DeliverReport report = world.deliver(
      request("[127.0.0.1]:" + std::to_string(port), {"x@elsewhere.test"}));
  CHECK(verdict(report, 100) == "deferred 4.4.1 | " + place);
  CHECK(report.destination_failed);
  REQUIRE(world.lines.size() == 2);
  CHECK(world.lines[0] == place);
  CHECK(world.lines[1].find("relay=none, delay=0") != std::string::npos);
  CHECK(ends_with_nocase(world.lines[1], "status=deferred (" + place + ")"));
}

TEST_CASE("LMTP has a verdict for each recipient", "[smtp][lmtp]") {
  World world;
  world.settings.lmtp = true;
  Script script;
  script.lmtp = true;
  script.rules = {{". <bob", "452 4.2.2 bob is full"},
                  {". <carol", "550 5.2.1 carol is gone"},
                  {"RCPT TO:<dave", "550 5.1.1 no dave"}};
  Sink sink{script};
  const ipc::DeliverReport report =
      world.deliver(request("inet:127.0.0.1:" + std::to_string(sink.port()),
                            {"alice@b", "dave@b", "bob@b", "carol@b"}));
  world.settle(sink);
  CHECK(sink.sessions().front().front() == "LHLO here.test");
  CHECK(sink.sessions().front().back() == "QUIT");
  CHECK(verdict(report, 100) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
  CHECK(starts_with_nocase(verdict(report, 101), "bounced 5.1.1"));
  CHECK(verdict(report, 102) ==
        "deferred 4.2.2 | host 127.0.0.1[127.0.0.1] said: 452 4.2.2 bob is "
        "full (in reply to end of DATA command)");
  CHECK(starts_with_nocase(verdict(report, 103), "bounced 5.2.1"));
}

TEST_CASE("a message that the server is too small for is not sent", "[smtp]") {
  World world;
  Script script;
  script.offers = {"SIZE 100"};
  Sink sink{script};
  const ipc::DeliverReport report = world.deliver(
      request(sink.next_hop(), {"x@b"}, std::string(101, 'x') + "\n"));
  world.settle(sink);
  CHECK(verdict(report, 100) ==
        "bounced 5.3.4 | message size 102 exceeds size limit 100 of server "
        "127.0.0.1[127.0.0.1]");
  CHECK(sink.sessions().front() == Lines{"EHLO here.test"});
}

TEST_CASE("SMTPUTF8 is needed only where something is not ASCII",
          "[smtp][utf8]") {
  struct {
    const char* sender;
    const char* message;
    bool sent;
  } const cases[] = {
      {"j\xc3\xbcrgen@here.test", "S: x\n\ntext\n", false},
      {"ann@here.test", "S: \xc3\xbc\n\ntext\n", false},
      {"ann@here.test", "S: x\n\n\xc3\xbc\n", true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.sender, c.message);
    World world;
    Sink sink{Script{}};
    ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"}, c.message);
    ask.sender = c.sender;
    ask.smtputf8 = true;
    const ipc::DeliverReport report = world.deliver(std::move(ask));
    world.settle(sink);
    CHECK(verdict(report, 100) ==
          (c.sent ? "sent 2.0.0 | 250 2.0.0 Ok: taken"
                  : "bounced 5.6.7 | SMTPUTF8 is required, but was not offered "
                    "by host 127.0.0.1[127.0.0.1]"));
    if (!c.sent)
      CHECK(sink.sessions().front() == Lines{"EHLO here.test", "QUIT"});
  }
  World world;
  Script script;
  script.offers = {"SMTPUTF8"};
  Sink sink{script};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"\xc3\xbc@b"});
  ask.smtputf8 = true;
  world.deliver(std::move(ask));
  CHECK(sink.sessions().front()[1] == "MAIL FROM:<ann@here.test> SMTPUTF8");
}

// RFC 6533 section 3: UTF-8 as it is in a transaction that has it, else in
// the form that is ASCII, which is not xtext.
TEST_CASE("an original recipient of type utf-8 keeps its form",
          "[smtp][utf8]") {
  struct {
    bool smtputf8;
    const char* value;
  } const cases[] = {
      {true, "ORCPT=utf-8;\xc3\xbc@b"},
      {false, "ORCPT=utf-8;\\x{FC}@b"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.smtputf8);
    World world;
    Script script;
    script.offers = {"SMTPUTF8", "DSN"};
    Sink sink{script};
    ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"});
    ask.smtputf8 = c.smtputf8;
    ask.recipients[0].orcpt = "utf-8;\xc3\xbc@b";
    world.deliver(std::move(ask));
    CHECK(sink.sessions().front()[2] ==
          std::string("RCPT TO:<x@b> ") + c.value);
  }
}

TEST_CASE("the next server gets those whom this one puts off", "[smtp][mx]") {
  World world;
  Script busy;
  busy.rules = {{"RCPT TO:<y", "450 4.2.0 no"}, {"RCPT TO:<z", "550 5.2.0 no"}};
  Sink first{busy};
  Sink second{Script{}};
  // Two hosts on one address are told apart by their ports.
  const ipc::DeliverReport report = world.deliver(request(
      first.next_hop() + ", " + second.next_hop(), {"x@b", "y@b", "z@b"}));
  world.settle(second);
  CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
  CHECK(starts_with_nocase(verdict(report, 101), "sent 2.0.0"));
  CHECK(starts_with_nocase(verdict(report, 102), "bounced 5.2.0"));
  CHECK(second.sessions().front()[2] == "RCPT TO:<y@b> ORCPT=rfc822;y@b");
  CHECK(std::count(world.lines.begin(), world.lines.end(),
                   "QID: host 127.0.0.1[127.0.0.1] said: 450 4.2.0 no (in "
                   "reply to RCPT TO command)") == 1);
}

TEST_CASE("addresses are tried in order up to the limits", "[smtp][mx]") {
  World world;
  Sink up{Script{}};
  world.resolver.answer.used_mx = true;
  world.resolver.answer.addresses = {{"up.test", "127.0.0.1", 20},
                                     {"down.test", "127.0.0.7", 10}};
  const std::string port = std::to_string(up.port());
  const ipc::DeliverReport report =
      world.deliver(request("relay.test:" + port, {"x@b"}));
  CHECK(starts_with_nocase(verdict(report, 100), "sent"));
  CHECK(world.lines[0] ==
        "connect to down.test[127.0.0.7]:" + port + ": Connection refused");
  CHECK(world.lines[1].find("relay=up.test[127.0.0.1]:" + port) !=
        std::string::npos);

  world.settings.address_limit = 1;
  const ipc::DeliverReport cut =
      world.deliver(request("other.test:" + port, {"x@b"}));
  CHECK(starts_with_nocase(verdict(cut, 100), "deferred 4.4.1"));
}

TEST_CASE("trouble with names bounces or defers, a fallback relay helps",
          "[smtp][mx]") {
  World world;
  world.resolver.answer.null_mx = true;
  CHECK(verdict(world.deliver(request("null.test", {"x@null.test"})), 100) ==
        "bounced 5.1.0 | Domain null.test does not accept mail (nullMX)");

  world.resolver.answer = {};
  world.resolver.answer.trouble =
      ipc::TroubleWire::from(give_up("4.4", "Host not found"));
  CHECK(verdict(world.deliver(request("nx.test", {"x@nx.test"})), 100) ==
        "bounced 5.4.4 | Host not found");

  world.settings.relayhost = "nx.test";
  CHECK(verdict(world.deliver(request("nx.test", {"x@nx.test"})), 100) ==
        "deferred 4.3.5 | Host not found");
  CHECK(world.lines[world.lines.size() - 2] ==
        "warning: relayhost configuration problem");

  Sink sink{Script{}};
  world.settings.fallback_relays = {sink.next_hop()};
  CHECK(starts_with_nocase(
      verdict(world.deliver(request("nx.test", {"x@nx.test"})), 100), "sent"));
}

TEST_CASE("soft_bounce defers what would bounce", "[smtp]") {
  World world;
  world.settings.soft_bounce = true;
  Script script;
  script.rules = {{"RCPT", "550 5.1.1 no such user"}};
  Sink sink{script};
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(starts_with_nocase(verdict(report, 100), "deferred 4.1.1"));
  CHECK(world.lines.back().find("dsn=4.1.1, status=SOFTBOUNCE (host") !=
        std::string::npos);
}

TEST_CASE("an address probe ends before the message", "[smtp][verify]") {
  World world;
  Script script;
  script.rules = {{"RCPT TO:<no", "550 5.1.1 no"}};
  Sink sink{script};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"yes@b", "no@b"});
  ask.verify_only = true;
  const ipc::DeliverReport report = world.deliver(std::move(ask));
  world.settle(sink);
  CHECK(verdict(report, 100) == "sent 2.1.5 | 250 2.1.5 Ok");
  CHECK(starts_with_nocase(verdict(report, 101), "bounced 5.1.1"));
  CHECK(sink.sessions().front().back() == "QUIT");
  CHECK(world.lines[0].find("status=deliverable (") != std::string::npos);
  CHECK(world.lines[1].find("status=undeliverable (") != std::string::npos);
}

TEST_CASE("XFORWARD tells what is known and wanted", "[smtp][xforward]") {
  World world;
  world.settings.send_xforward = true;
  Script script;
  script.offers = {"XFORWARD NAME ADDR PROTO HELO SOURCE IDENT"};
  Sink sink{script};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"});
  ask.attributes = {{"client_name", "unknown"},
                    {"client_address", "192.0.2.7"},
                    {"client_port", "999"},
                    {"protocol_name", "ESMTP"},
                    {"helo_name", "a b"}};
  ask.context = "remote";
  world.deliver(std::move(ask));
  CHECK(sink.sessions().front()[1] == "XFORWARD ADDR=192.0.2.7");
  CHECK(sink.sessions().front()[2] ==
        "XFORWARD PROTO=ESMTP HELO=a+20b IDENT=QID SOURCE=REMOTE");
}

TEST_CASE("keywords can be discarded for one server", "[smtp]") {
  World world;
  world.settings.discard_keywords = {"size"};
  world.settings.discard_keyword_maps = "fake:map";
  Sink sink{Script{}};
  world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(sink.sessions().front()[1] == "MAIL FROM:<ann@here.test> SIZE=11");
  // EHLO, MAIL, RCPT, DATA, message, QUIT: one by one.
  CHECK(sink.reads() >= 5);
}

TEST_CASE("back-to-back deliveries share a session", "[smtp][reuse]") {
  World world;
  world.settings.keep_idle = Millis(50);
  Sink sink{Script{}};
  for (int i = 0; i < 4; ++i) {
    ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"});
    ask.backlog = 3 - i;
    const ipc::DeliverReport report = world.deliver(std::move(ask));
    CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
  }
  world.settle(sink);
  REQUIRE(sink.sessions().size() == 2);
  // The first came alone and said QUIT; the others followed each other.
  CHECK(std::count(sink.sessions().front().begin(),
                   sink.sessions().front().end(), "DATA") == 1);
  const Lines& shared = sink.sessions().back();
  CHECK(std::count(shared.begin(), shared.end(), "DATA") == 3);
  CHECK(std::count(shared.begin(), shared.end(), "RSET") == 2);
  CHECK(std::count(shared.begin(), shared.end(), "EHLO here.test") == 1);
  CHECK(shared.back() == "QUIT");
  CHECK(world.lines.back().find(", conn_use=3, ") != std::string::npos);
}

TEST_CASE("a session is not kept where nothing waits for it", "[smtp][reuse]") {
  World world;
  Sink sink{Script{}};
  for (int i = 0; i < 3; ++i) world.deliver(request(sink.next_hop(), {"x@b"}));
  world.settle(sink);
  REQUIRE(sink.sessions().size() == 3);
  for (const Lines& told : sink.sessions()) CHECK(told.back() == "QUIT");
}

TEST_CASE("a kept session that died is replaced without a word",
          "[smtp][reuse]") {
  for (const char* reply : {"close", "421 4.4.2 idle for too long"}) {
    for (const bool pipelining : {true, false}) {
      CAPTURE(reply, pipelining);
      World world;
      world.settings.keep_destinations = {};
      Script script;
      if (!pipelining) script.offers = {};
      script.rules = {{pipelining ? "RSET" : "MAIL FROM:<stale", reply, 1}};
      Sink sink{script};
      world.settings.keep_destinations = {sink.next_hop()};
      world.deliver(request(sink.next_hop(), {"x@b"}));
      ipc::DeliverRequest again = request(sink.next_hop(), {"x@b"});
      again.sender = "stale@b";
      const ipc::DeliverReport report = world.deliver(std::move(again));
      CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
      CHECK(sink.sessions().size() == 2);
      CHECK(world.lines.size() == 2);
    }
  }
}

TEST_CASE("a crowd of recipients is asked about in groups", "[smtp]") {
  World world;
  Script script;
  script.rules = {{"RCPT TO:<x7", "550 5.1.1 \x1b[31mno\a"}};
  Sink sink{script};
  Lines crowd;
  for (int i = 0; i < 1500; ++i)
    crowd.push_back("x" + std::to_string(i) + "@b");
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), crowd));
  world.settle(sink);
  REQUIRE(report.results.size() == crowd.size());
  CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
  CHECK(starts_with_nocase(verdict(report, 1599), "sent 2.0.0"));
  CHECK(verdict(report, 107) ==
        "bounced 5.1.1 | host 127.0.0.1[127.0.0.1] said: 550 5.1.1 ?[31mno? "
        "(in reply to RCPT TO command)");
  CHECK(sink.sessions().front().size() == 1500 + 2 + 6);
}

TEST_CASE("a long message goes in pieces and arrives whole", "[smtp]") {
  World world;
  std::string message;
  Lines expected;
  for (int i = 0; i < 20000; ++i) {
    const std::string line =
        (i % 7 == 0 ? "." : "") + std::to_string(i) + " some text of this line";
    message += line + "\n";
    expected.push_back("| " + std::string(i % 7 == 0 ? "." : "") + line);
  }
  Sink sink{Script{}};
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@b"}, message));
  CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
  const Lines& told = sink.sessions().front();
  const auto data = std::find(told.begin(), told.end(), "DATA") + 1;
  REQUIRE(told.size() > expected.size());
  CHECK(std::equal(expected.begin(), expected.end(), data));
}

TEST_CASE("a message that cannot be read is not ended", "[smtp]") {
  World world;
  Sink sink{Script{}};
  ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"});
  ask.content_size += 1000;
  const ipc::DeliverReport report = world.deliver(std::move(ask));
  world.settle(sink);
  CHECK(verdict(report, 100) ==
        "deferred 4.3.0 | local data error while talking to "
        "127.0.0.1[127.0.0.1]");
  const Lines& told = sink.sessions().front();
  CHECK(std::find(told.begin(), told.end(), ".") == told.end());
}

TEST_CASE("words that are no replies are logged", "[smtp]") {
  World world;
  Script script;
  script.rules = {{"MAIL", "hello\n250 ok"}};
  Sink sink{script};
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(starts_with_nocase(verdict(report, 100), "sent 2.0.0"));
  CHECK(world.lines[0] ==
        "warning: QID: non-ESMTP response from " + local(sink) + ": hello");
}

TEST_CASE("requests over a link are answered, many at once", "[smtp][agent]") {
  World world;
  Sink sink{Script{}};
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  auto qmgr =
      std::make_unique<ipc::Link>(Fd(pair[0]), Role::qmgr, Role::smtp, "smtp");
  Agent agent(world.settings, world.log, world.resolver, nullptr);
  agent.serve(
      std::make_unique<ipc::Link>(Fd(pair[1]), Role::smtp, Role::qmgr, "qmgr"));
  struct Asker {
    static Task<void> ask(ipc::Link* link, std::string next_hop, int* sent) {
      const ipc::DeliverRequest question = request(next_hop, {"x@b"});
      Result<ipc::DeliverReport> report =
          co_await link->call(question, Seconds(10));
      if (report && starts_with_nocase(verdict(*report, 100), "sent")) ++*sent;
    }
  };
  int sent = 0;
  Nursery askers;
  for (int i = 0; i < 10; ++i)
    askers.start(Asker::ask(qmgr.get(), sink.next_hop(), &sent));
  world.loop.run_until([&] { return askers.empty(); });
  CHECK(sent == 10);
  CHECK(agent.busy() == 0);

  // What is under way when the link closes is dropped.
  Script slow;
  slow.rules = {{"DATA", "silence"}};
  Sink stuck{slow};
  Nursery lost;
  lost.start(Asker::ask(qmgr.get(), stuck.next_hop(), &sent));
  world.loop.run_until([&] {
    return !stuck.sessions().empty() && stuck.sessions().front().size() > 2;
  });
  CHECK(agent.busy() == 1);
  qmgr->close();
  world.loop.run_until([&] { return agent.busy() == 0; });
  world.settle(stuck);
  CHECK(stuck.sessions().front().back() == "DATA");
}

}  // namespace
TEST_CASE("addresses change on their way out", "[smtp]") {
  World world;
  world.settings.generic.maps = "generic";
  world.settings.generic.extend = true;
  world.settings.generic.extension.delimiters = "+";
  world.resolver.tables["generic"] = {{"ann", "ann@isp.test"},
                                      {"bob@here.test", "robert"},
                                      {"@far.test", "@near.test"}};
  Sink sink{Script{}};
  const ipc::DeliverReport report = world.deliver(
      request(sink.next_hop(), {"bob+x@here.test", "c@far.test", "d@e.test"},
              "From: Ann <ann@here.test>\nTo: c@far.test,\n d@e.test\n"
              "Cc: d@e.test,\n\te@e.test\nX: ann@here.test\n\n"
              "From: ann@here.test\n"));
  world.settle(sink);
  CHECK(verdict(report, 100) == "sent 2.0.0 | 250 2.0.0 Ok: taken");
  const Lines& told = sink.sessions().front();
  CHECK(Lines(told.begin() + 1, told.end()) ==
        Lines{"MAIL FROM:<ann@isp.test> SIZE=114",
              "RCPT TO:<robert+x@here.test> ORCPT=rfc822;bob+2Bx@here.test",
              "RCPT TO:<c@near.test> ORCPT=rfc822;c@far.test",
              "RCPT TO:<d@e.test> ORCPT=rfc822;d@e.test", "DATA",
              "| From: Ann <ann@isp.test>", "| To: c@near.test, d@e.test",
              "| Cc: d@e.test,", "| \te@e.test", "| X: ann@here.test", "| ",
              "| From: ann@here.test", ".", "QUIT"});
  CHECK(std::any_of(world.lines.begin(), world.lines.end(),
                    [](const std::string& line) {
                      return line.find("to=<c@far.test>") != std::string::npos;
                    }));
}

TEST_CASE("a silent table of addresses puts mail off", "[smtp]") {
  World world;
  world.settings.generic.maps = "generic";
  world.resolver.broken = true;
  Sink sink{Script{}};
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@there.test"}));
  CHECK(verdict(report, 100) ==
        "deferred 4.3.0 | smtp_generic_maps: table lookup problem");
  CHECK(sink.sessions().empty());
}

TEST_CASE("rules change what is sent", "[smtp]") {
  World world;
  world.settings.checks.header = {"smtp_header_checks", "h"};
  world.settings.checks.nested = {"smtp_nested_header_checks", "n"};
  world.settings.checks.mime = {"smtp_mime_header_checks", "m"};
  world.settings.checks.body = {"smtp_body_checks", "b"};
  world.resolver.tables = {
      {"h", {{"A: b", "IGNORE"}, {"C: d", "PREPEND P: q"}, {"E: f", "REJECT"}}},
      {"n", {{"A: b", "REPLACE A: c"}}},
      {"m", {{"Content-Type: message/rfc822", "INFO attached"}}},
      {"b", {{"one", "STRIP"}, {"two", "REPLACE 2"}}}};
  Sink sink{Script{}};
  world.deliver(request(sink.next_hop(), {"x@there.test"},
                        "A: b\nC: d\nE: f\nContent-Type: message/rfc822\n\n"
                        "A: b\n\none\ntwo\nthree"));
  world.settle(sink);
  const Lines& told = sink.sessions().front();
  CHECK(Lines(told.begin() + 4, told.end()) ==
        Lines{"| P: q", "| C: d", "| E: f", "| Content-Type: message/rfc822",
              "| ", "| A: c", "| ", "| 2", "| three", ".", "QUIT"});
  const Lines expected = {
      "QID: prepend: header C: d: P: q",
      "warning: unsupported command in smtp_header_checks map: REJECT",
      "QID: info: header Content-Type: message/rfc822: attached",
      "QID: replace: header A: b: A: c", "QID: strip: body one",
      "QID: replace: body two: 2"};
  CHECK(Lines(world.lines.begin(),
              world.lines.begin() + static_cast<std::ptrdiff_t>(
                                        expected.size())) == expected);
}

TEST_CASE("a server without 8BITMIME gets 7 bits", "[smtp]") {
  struct Case {
    const char* body;
    bool convert;
    bool offered;
    std::string text;
  };
  const std::vector<Case> cases = {
      {"8BITMIME", true, false, "quoted-printable =E4"},
      {"", true, false, "quoted-printable =E4"},
      {"7BIT", true, false, "8bit \344"},
      {"8BITMIME", false, false, "8bit \344"},
      {"8BITMIME", true, true, "8bit \344"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.body, c.convert, c.offered);
    World world;
    world.settings.convert_8bit = c.convert;
    Script script;
    script.offers = {"PIPELINING", "SIZE"};
    if (c.offered) script.offers.push_back("8BITMIME");
    Sink sink{script};
    ipc::DeliverRequest ask =
        request(sink.next_hop(), {"x@there.test"},
                "Content-Transfer-Encoding: 8bit\n\n\344\n");
    ask.body = c.body;
    world.deliver(std::move(ask));
    world.settle(sink);
    const Lines& told = sink.sessions().front();
    const std::size_t space = c.text.find(' ');
    CHECK(Lines(told.begin() + 4, told.end()) ==
          Lines{"| Content-Transfer-Encoding: " + c.text.substr(0, space),
                "| ", "| " + c.text.substr(space + 1), ".", "QUIT"});
    // What comes of a conversion nobody knows beforehand.
    CHECK((told[1].find(" SIZE=") != std::string::npos) ==
          (c.offered || !c.convert));
  }
}

TEST_CASE("parts are converted one by one", "[smtp]") {
  World world;
  Script script;
  script.offers = {"PIPELINING"};
  Sink sink{script};
  const std::string head = "Content-Type: multipart/mixed; boundary=b\n";
  const std::string plain = "--b\n\n.plain \n--b--\n";
  world.deliver(request(sink.next_hop(), {"x@there.test"},
                        "Content-Transfer-Encoding: 8bit\n" + head +
                            "\n--b\nContent-Transfer-Encoding: 8bit\n"
                            "Content-Type: text/plain\n\n\344 \n" +
                            plain));
  world.settle(sink);
  const Lines& told = sink.sessions().front();
  CHECK(Lines(told.begin() + 4, told.end()) ==
        Lines{"| Content-Type: multipart/mixed; boundary=b",
              "| Content-Transfer-Encoding: 7bit", "| ", "| --b",
              "| Content-Type: text/plain",
              "| Content-Transfer-Encoding: quoted-printable", "| ",
              "| =E4=20", "| --b", "| ", "| ..plain ", "| --b--", ".", "QUIT"});
}

TEST_CASE("a delivery status filter has the last word", "[smtp]") {
  World world;
  world.settings.delivery_status_filter = "f";
  world.resolver.tables["f"] = {
      {"2.0.0 250 2.0.0 Ok: taken", "2.7.7 well done"},
      {"5.1.1 host " + std::string("x"), ""}};
  Script script;
  script.rules = {{"RCPT TO:<bad", "550 5.1.1 no"}};
  Sink sink{script};
  const std::string said = "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no (in "
                           "reply to RCPT TO command)";
  world.resolver.tables["f"]["5.1.1 " + said] = "4.1.1 later";
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@y.test", "bad@y.test"}));
  CHECK(verdict(report, 100) == "sent 2.7.7 | well done");
  CHECK(verdict(report, 101) == "deferred 4.1.1 | later");
  CHECK(std::count_if(world.lines.begin(), world.lines.end(),
                      [](const std::string& line) {
                        return line.find("status=") != std::string::npos;
                      }) == 2);

  // It does not go against the safety net.
  world.settings.soft_bounce = true;
  world.resolver.tables["f"]["5.1.1 " + said] = "5.9.9 hard";
  const ipc::DeliverReport soft =
      world.deliver(request(sink.next_hop(), {"bad@y.test"}));
  CHECK(verdict(soft, 100) == "deferred 4.9.9 | hard");
}

TEST_CASE("mail that loops back goes where best_mx_transport says", "[smtp]") {
  World world;
  world.settings.own_addresses = {"192.0.2.9"};
  world.resolver.answer.used_mx = true;
  world.resolver.answer.addresses = {{"me.test", "192.0.2.9", 10}};
  const ipc::DeliverReport refused =
      world.deliver(request("own.test", {"x@own.test"}));
  CHECK(verdict(refused, 100) ==
        "bounced 5.4.6 | mail for own.test loops back to myself");
  CHECK(refused.pass_to.empty());
  world.settings.best_mx_transport = "local:here";
  const ipc::DeliverReport passed =
      world.deliver(request("own.test", {"x@own.test"}));
  CHECK(passed.pass_to == "local:here");
  CHECK(passed.results.empty());
  CHECK(world.lines.back() == "QID: passing <x@own.test> to transport=local");
}

TEST_CASE("replies go past a filter line by line", "[smtp]") {
  World world;
  world.settings.reply_filter = "r";
  world.resolver.tables["r"] = {{"250-SIZE 1000000", "250-nothing"},
                                {"250 2.0.0 Ok: taken", "451 4.7.0 not so fast"}};
  Script script;
  script.offers = {"8BITMIME", "SIZE 1000000", "DSN"};
  Sink sink{script};
  const ipc::DeliverReport report =
      world.deliver(request(sink.next_hop(), {"x@y.test"}));
  CHECK(verdict(report, 100).starts_with("deferred 4.7.0 | "));
  CHECK(sink.sessions().front()[1].find("SIZE=") == std::string::npos);
}

TEST_CASE("a greeting of asterisks calls for caution", "[smtp]") {
  World world;
  world.settings.pix.names = {"disable_esmtp", "delay_dotcrlf"};
  world.settings.pix.delay = Millis(1);
  Script script;
  script.banner = "220 ****2*******";
  Sink sink{script};
  ipc::DeliverRequest old = request(sink.next_hop(), {"x@y.test"});
  old.arrival -= 600'000'000;
  world.deliver(std::move(old));
  world.settle(sink);
  CHECK(sink.sessions().front()[0] == "HELO here.test");
  CHECK(std::find(world.lines.begin(), world.lines.end(),
                  "QID: enabling PIX workarounds: disable_esmtp delay_dotcrlf "
                  "for " + local(sink)) != world.lines.end());

  // A table knows better for this server.
  world.settings.pix.maps = "p";
  world.resolver.tables["p"] = {{"127.0.0.1", "delay_dotcrlf"}};
  world.deliver(request(sink.next_hop(), {"x@y.test"}));
  world.settle(sink);
  CHECK(sink.sessions().back()[0] == "EHLO here.test");
}

}  // namespace postern::smtp
