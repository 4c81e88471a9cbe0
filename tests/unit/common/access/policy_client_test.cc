// Connections to policy services: a server on a socket pair for each.
#include "common/access/policy_client.h"

#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <vector>

using namespace postern;
using namespace postern::access;
using Catch::Contains;

namespace {

class Server {
 public:
  Server() {
    log::set_recorder([this](std::string_view, log::Severity,
                             std::string_view text) {
      lines += std::string(text) + "\n";
    });
    service.name = "srv";
    service.timeout = Seconds(20);
    service.retry_delay = Millis(1);
    service.max_idle = service.max_ttl = Seconds(100);
    service.try_limit = 2;
  }
  ~Server() { log::set_recorder({}); }

  Task<Result<Fd>> dial() {
    ++dials;
    if (refuse) co_return try_later("4.1", "Connection refused");
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    nursery.start(serve(Fd(ends[1])));
    co_return Fd(ends[0]);
  }

  Task<void> serve(Fd socket) {
    Stream stream(std::move(socket));
    std::string heard;
    try {
      for (int i = 0; answers_per_connection < 0 || i < answers_per_connection;
           ++i) {
        while (heard.find("\n\n") == std::string::npos) {
          heard += stream.buffered();
          stream.consume(stream.buffered().size());
          if (heard.find("\n\n") != std::string::npos) break;
          co_await stream.fill(Seconds(30));
        }
        heard.clear();
        if (silent) {
          co_await stream.fill(Seconds(30));
        }
        stream.put(answer);
        co_await stream.flush(Seconds(30));
      }
    } catch (const Hangup&) {
    }
  }

  // All questions at once; their answers in order.
  std::vector<Result<std::string>> ask(int count) {
    std::vector<Result<std::string>> out;
    Nursery asking;
    for (int i = 0; i < count; ++i) asking.start(ask_one(&out));
    loop.run_until([&] { return asking.empty(); });
    return out;
  }
  Task<void> ask_one(std::vector<Result<std::string>>* out) {
    Result<std::string> one = co_await client.ask(&service, "request=x\n\n");
    out->push_back(std::move(one));
  }

  Loop loop;
  std::string lines, answer = "action=OK\n\n";
  bool refuse = false, silent = false;
  int dials = 0, answers_per_connection = -1;
  PolicyService service;
  log::Log log{"postern/smtpd"};
  Nursery nursery;
  PolicyClient client{log, [this](config::Endpoint, Millis) { return dial(); }};
};

}  // namespace

TEST_CASE("a connection serves one question after the other") {
  Server s;
  for (int i = 0; i < 3; ++i) CHECK(*s.ask(1).at(0) == "OK");
  CHECK(s.dials == 1);
  CHECK(s.client.idle() == 1);
}

TEST_CASE("many questions are under way at once") {
  Server s;
  const auto answers = s.ask(50);
  CHECK(answers.size() == 50);
  for (const auto& each : answers) CHECK(each);
  CHECK(s.dials == 50);
  s.ask(50);
  CHECK(s.dials == 50);
}

TEST_CASE("a server that closes after each answer costs no try") {
  Server s;
  s.answers_per_connection = 1;
  s.service.try_limit = 1;
  for (int i = 0; i < 3; ++i) CHECK(s.ask(1).at(0));
  CHECK(s.dials == 3);
  CHECK(s.lines.empty());
}

TEST_CASE("request_limit and max_ttl end a connection in time") {
  Server s;
  SECTION("after so many questions") {
    s.service.request_limit = 2;
    for (int i = 0; i < 4; ++i) s.ask(1);
  }
  SECTION("after so long") {
    s.service.max_ttl = Millis(0);
    for (int i = 0; i < 2; ++i) s.ask(1);
  }
  CHECK(s.dials == 2);
}

TEST_CASE("a server that is not there is tried so often and told of") {
  Server s;
  s.refuse = true;
  s.service.try_limit = 3;
  CHECK_FALSE(s.ask(1).at(0));
  CHECK(s.dials == 3);
  CHECK_THAT(s.lines, Contains("connect to srv: Connection refused\n"
                               "problem talking to server srv: Connection "
                               "refused\n"));
}

TEST_CASE("a server that does not answer is given up after the limit") {
  Server s;
  s.silent = true;
  s.service.try_limit = 1;
  s.service.timeout = Millis(50);
  CHECK_FALSE(s.ask(1).at(0));
  CHECK_THAT(s.lines, Contains("problem talking to server srv: Connection "
                               "timed out\n"));
}

TEST_CASE("an answer that is none is told of and not used") {
  Server s;
  s.answer = "what?\n\n";
  s.service.try_limit = 1;
  CHECK_FALSE(s.ask(1).at(0));
  CHECK_THAT(s.lines, Contains("not of the form name=value: \"what?\""));
  CHECK(s.client.idle() == 0);
}
