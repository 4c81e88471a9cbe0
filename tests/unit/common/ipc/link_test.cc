#include "common/ipc/link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "common/ipc/contract.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/content.h"
#include "common/log/log.h"

using namespace postern;
using namespace postern::ipc;
using namespace std::chrono_literals;

namespace {

struct Pair {
  Pair(Role a, Role b) {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    left = std::make_unique<Link>(Fd(fds[0]), a, b, std::string(name_of(b)));
    right = std::make_unique<Link>(Fd(fds[1]), b, a, std::string(name_of(a)));
  }
  std::unique_ptr<Link> left, right;
};

Task<void> answer_tables(Link* link) {
  for (;;) {
    std::optional<Frame> frame = co_await link->next(10s);
    if (!frame) co_return;
    std::optional<TableFind> question = frame->as<TableFind>();
    TableAnswer answer;
    answer.found = true;
    answer.value = question->maps + "/" + question->keys.at(0);
    link->reply(frame->id, answer);
  }
}

Task<void> ask_tables(Link* link, int from, int to, int* right_answers) {
  for (int i = from; i < to; ++i) {
    TableFind question;
    question.maps = "hash:x";
    question.keys = {std::to_string(i)};
    Result<TableAnswer> answer = co_await link->call(question, 10s);
    if (answer && answer->value == "hash:x/" + std::to_string(i))
      ++*right_answers;
  }
}

Task<void> ask_once(Link* link, std::string* outcome) {
  TableFind question;
  question.keys = {"k"};
  Result<TableAnswer> answer = co_await link->call(question, 50ms);
  *outcome = answer ? "answered" : answer.trouble().text;
}

Task<void> take_one(Link* link, std::optional<Frame>* out, bool* done) {
  *out = co_await link->next(10s);
  *done = true;
}

}  // namespace

TEST_CASE("every question finds its own answer", "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::lookup);
  Nursery nursery;
  int right = 0;
  nursery.start(answer_tables(pair.right.get()));
  for (int k = 0; k < 10; ++k)
    nursery.start(ask_tables(pair.left.get(), k * 100, k * 100 + 100, &right));
  loop.run_until([&] { return right == 1000; });
}

TEST_CASE("a question to a dead or silent peer ends in trouble",
          "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::lookup);
  Nursery nursery;
  std::string outcome;
  nursery.start(ask_once(pair.left.get(), &outcome));
  SECTION("silent") {
    loop.run_until([&] { return !outcome.empty(); });
    CHECK(outcome == "the lookup service did not answer in time");
  }
  SECTION("dead") {
    pair.right.reset();
    loop.run_until([&] { return !outcome.empty(); });
    CHECK(outcome == "lost connection with the lookup service");
  }
}

TEST_CASE("a descriptor travels with its message", "[ipc][link]") {
  Loop loop;
  Pair pair(Role::qmgr, Role::smtp);
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  const Fd write_end(pipe_fds[1]);
  DeliverRequest request;
  request.queue_id = "ABCDEF1";
  request.recipients.resize(2);
  request.recipients[1].address = "x@y";
  request.message = Fd(pipe_fds[0]);
  Nursery nursery;
  std::optional<Frame> frame;
  bool done = false;
  nursery.start(take_one(pair.right.get(), &frame, &done));
  pair.left->send(request);
  loop.run_until([&] { return done; });
  REQUIRE(frame);
  std::optional<DeliverRequest> got = frame->as<DeliverRequest>();
  REQUIRE(got);
  CHECK(got->recipients.at(1).address == "x@y");
  REQUIRE(::write(write_end.get(), "hi", 2) == 2);
  char buffer[8];
  CHECK(::read(got->message.get(), buffer, sizeof buffer) == 2);
}

TEST_CASE("large content passes with back pressure", "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::cleanup);
  Nursery nursery;
  std::size_t received = 0;
  constexpr std::size_t total = 8u << 20;
  nursery.start([](Link* link, std::size_t* sum) -> Task<void> {
    for (;;) {
      std::optional<Frame> frame = co_await link->next(10s);
      if (!frame) co_return;
      std::optional<MessageContent> content = frame->as<MessageContent>();
      *sum += content->bytes.size();
    }
  }(pair.right.get(), &received));
  nursery.start([](Link* link) -> Task<void> {
    MessageContent content;
    content.bytes = std::string(65536, 'x');
    for (std::size_t sent = 0; sent < total; sent += 65536) {
      link->send(content);
      const bool fine = co_await link->drained(10s);
      if (!fine) co_return;
    }
  }(pair.left.get()));
  loop.run_until([&] { return received == total; });
}

TEST_CASE("what the contract does not list ends the link", "[ipc][contract]") {
  CHECK(allowed(Role::smtpd, Role::cleanup, type_of<MessageBegin>()));
  CHECK_FALSE(allowed(Role::cleanup, Role::smtpd, type_of<MessageBegin>()));
  CHECK_FALSE(allowed(Role::smtpd, Role::smtp, type_of<DeliverRequest>()));
  CHECK_FALSE(may_link(Role::smtpd, Role::local));
  CHECK_FALSE(may_link(Role::worker, Role::cleanup));

  // A forged peer: says it is qmgr to smtp's face, but master knows better.
  Loop loop;
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  Link honest(Fd{fds[0]}, Role::qmgr, Role::smtp, "smtp");
  Link wary(Fd{fds[1]}, Role::smtp, Role::smtpd, "smtpd");
  std::string logged;
  log::set_recorder([&](std::string_view, log::Severity,
                        std::string_view text) { logged += text; });
  honest.send(DeliverRequest{});
  loop.run_until([&] { return !wary.open(); });
  log::set_recorder(nullptr);
  CHECK(logged.find("does not allow") != std::string::npos);
}

TEST_CASE("noise on a link ends it and nothing else", "[ipc][link]") {
  Loop loop;
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const Fd noisy(fds[0]);
  Link link(Fd(fds[1]), Role::smtp, Role::qmgr, "qmgr");
  log::set_recorder([](std::string_view, log::Severity, std::string_view) {});
  const std::string noise(100, '\xff');
  REQUIRE(::write(noisy.get(), noise.data(), noise.size()) == 100);
  loop.run_until([&] { return !link.open(); });
  log::set_recorder(nullptr);
}
