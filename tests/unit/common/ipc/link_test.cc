#include "common/ipc/link.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "common/ipc/contract.h"
#include "common/ipc/messages/control.h"
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

class Logged {
 public:
  Logged() {
    log::set_recorder([this](std::string_view, log::Severity,
                             std::string_view line) { text += line; });
  }
  ~Logged() { log::set_recorder(nullptr); }
  std::string text;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

// Of a body that takes `size` bytes.
TableFind question_of(std::size_t size) {
  TableFind question;
  question.maps = std::string(size - frame_size(question).bytes, 'x');
  return question;
}

Task<void> ask(Link* link, TableFind question,
               std::optional<Result<TableAnswer>>* out) {
  *out = co_await link->call(question, 10s);
}

// Answers with as much as it was asked to.
Task<void> answer_at_length(Link* link) {
  for (;;) {
    std::optional<Frame> frame = co_await link->next(10s);
    if (!frame) co_return;
    const std::optional<TableFind> question = frame->as<TableFind>();
    TableAnswer answer;
    answer.value = std::string(std::stoul(question->maps), 'y');
    link->reply(frame->id, answer);
  }
}

// `lot` copies of a descriptor beside `bytes`. False: the peer has closed.
bool throw_descriptors(int socket, const std::string& bytes, std::size_t lot) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 253)];
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * lot);
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * lot);
  for (std::size_t i = 0; i < lot; ++i)
    std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &socket, sizeof socket);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) > 0;
}

// The beginning of a question, of a body of 3 MB and so many descriptors.
std::string beginning(unsigned char descriptors) {
  std::string head("\xc0\xc6\x2d\0\1\0\0\0\1\0\0\0\2", 13);
  head += static_cast<char>(descriptors);
  return head + std::string(2, '\0');
}

// No further descriptor can be made while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    const Fd next(::fcntl(0, F_DUPFD, 3));
    none.rlim_cur = static_cast<rlim_t>(next.get());
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

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

TEST_CASE("a question fits into a frame, or its asker is told", "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::lookup);
  Nursery nursery;
  nursery.start(answer_tables(pair.right.get()));
  std::optional<Result<TableAnswer>> largest, larger;
  TableFind fits = question_of(largest_frame - 5);
  fits.keys.push_back("k");
  REQUIRE(frame_size(fits).bytes == largest_frame);
  // Its answer would repeat it.
  nursery.start(ask(pair.left.get(), std::move(fits), &largest));
  nursery.start(ask(pair.left.get(), question_of(largest_frame + 1), &larger));
  Logged logged;
  loop.run_until([&] { return largest && larger; });
  CHECK(largest->trouble().text ==
        "the lookup service could not send its answer");
  CHECK(largest->trouble().temporary());
  REQUIRE_FALSE(larger->ok());
  CHECK(larger->trouble().status() == "5.3.4");
  CHECK(larger->trouble().text.find("4194305 bytes is too large") !=
        std::string::npos);
  CHECK(pair.left->open());
  CHECK(pair.right->open());
}

TEST_CASE("an answer that is too large is trouble, not the end",
          "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::lookup);
  Nursery nursery;
  nursery.start(answer_at_length(pair.right.get()));
  TableAnswer empty;
  const std::size_t room = largest_frame - frame_size(empty).bytes;
  TableFind fits, exceeds;
  fits.maps = std::to_string(room);
  exceeds.maps = std::to_string(room + 1);
  std::optional<Result<TableAnswer>> whole, refused;
  Logged logged;
  nursery.start(ask(pair.left.get(), std::move(exceeds), &refused));
  nursery.start(ask(pair.left.get(), std::move(fits), &whole));
  loop.run_until([&] { return whole && refused; });
  REQUIRE(whole->ok());
  CHECK((*whole)->value.size() == room);
  CHECK(refused->trouble().text ==
        "the lookup service could not send its answer");
  CHECK(logged.text.find("4194305 bytes is too large") != std::string::npos);
  CHECK(pair.right->open());
}

TEST_CASE("a notice that is too large closes its link", "[ipc][link]") {
  Loop loop;
  Pair pair(Role::smtpd, Role::cleanup);
  Logged logged;
  MessageContent content;
  content.bytes = "text";
  CHECK(pair.left->send(content));
  content.bytes = std::string(largest_frame, 'x');
  CHECK_FALSE(pair.left->send(content));
  CHECK_FALSE(pair.left->open());
  CHECK(logged.text.find("too large") != std::string::npos);
}

TEST_CASE("more descriptors than a frame declares close the link",
          "[ipc][link]") {
  Loop loop;
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const Fd hostile(fds[0]);
  Link link(Fd(fds[1]), Role::master, Role::smtpd, "smtpd");
  const std::size_t before = open_descriptors();
  Logged logged;
  std::size_t most = 0, thrown = 0;
  const auto flood = [&] {
    loop.run_until([&] {
      if (link.open() && throw_descriptors(hostile.get(), "x", 200)) ++thrown;
      most = std::max(most, open_descriptors());
      return !link.open() || thrown > 100;
    });
    CHECK_FALSE(link.open());
  };
  SECTION("none declared, and no end of them") {
    REQUIRE(throw_descriptors(hostile.get(), beginning(0), 1));
    flood();
    CHECK(logged.text.find("descriptors that no frame declares") !=
          std::string::npos);
  }
  SECTION("some declared, and more sent") {
    REQUIRE(throw_descriptors(hostile.get(), beginning(16), 16));
    flood();
    CHECK(logged.text.find("descriptors that no frame declares") !=
          std::string::npos);
  }
  SECTION("more declared than anybody but master may") {
    REQUIRE(throw_descriptors(hostile.get(), beginning(17), 17));
    flood();
    CHECK(logged.text.find("malformed frame") != std::string::npos);
  }
  CHECK(most <= before + 253);
  CHECK(open_descriptors() == before);
}

TEST_CASE("without descriptors to spare a message fails and its sender lives",
          "[ipc][link]") {
  Loop loop;
  int fds[2] = {-1, -1};
  REQUIRE(::pipe(fds) == 0);
  const Fd reader(fds[0]);
  const Fd writer(fds[1]);
  Logged logged;
  SECTION("a notice: its link closes") {
    Pair pair(Role::master, Role::smtpd);
    Welcome welcome;
    welcome.log_file = Fd(::dup(writer.get()));
    const NoDescriptors none;
    CHECK_FALSE(pair.left->send(welcome));
    CHECK_FALSE(pair.left->open());
    CHECK(logged.text.find("cannot hand over a descriptor") !=
          std::string::npos);
  }
  SECTION("a question: its asker is told") {
    Pair pair(Role::qmgr, Role::smtp);
    std::optional<Trouble> told;
    DeliverRequest request;
    request.message = Fd(::dup(reader.get()));
    Nursery nursery;
    {
      const NoDescriptors none;
      nursery.start([](Link* link, DeliverRequest* what,
                       std::optional<Trouble>* out) -> Task<void> {
        Result<DeliverReport> answer = co_await link->call(*what, 10s);
        if (!answer) *out = answer.trouble();
      }(pair.left.get(), &request, &told));
    }
    loop.run_until([&] { return told.has_value(); });
    CHECK(told->temporary());
    CHECK(pair.left->open());
  }
}

TEST_CASE("master hands over sockets by the hundred", "[ipc][link]") {
  // Three descriptors a socket: ours, the one on its way, the one that arrived.
  // An ordinary session's soft limit is 1024.
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = files.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  REQUIRE(files.rlim_cur > 1900);
  Loop loop;
  Pair pair(Role::master, Role::smtpd);
  Nursery nursery;
  const std::size_t count = GENERATE(1, 253, 254, 255, 256, 600);
  CAPTURE(count);
  Welcome welcome;
  welcome.service = std::string(100000, 's');
  for (std::size_t i = 0; i < count; ++i) {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    const std::string mark = std::to_string(i);
    REQUIRE(::write(fds[0], mark.data(), mark.size()) > 0);
    ::close(fds[0]);
    welcome.listeners.push_back({"smtp", "inet", mark, Fd(fds[1])});
  }
  std::optional<Frame> before, frame;
  bool done = false;
  pair.left->send(Stress{true});
  pair.left->send(welcome);
  pair.left->send(Stress{false});
  nursery.start(take_one(pair.right.get(), &before, &done));
  loop.run_until([&] { return done; });
  REQUIRE(before->is<Stress>());
  done = false;
  nursery.start(take_one(pair.right.get(), &frame, &done));
  loop.run_until([&] { return done; });
  REQUIRE(frame);
  std::optional<Welcome> got = frame->as<Welcome>();
  REQUIRE(got);
  REQUIRE(got->listeners.size() == count);
  for (const ListenerWire& each : got->listeners) {
    char buffer[8];
    const ssize_t n = ::read(each.socket.get(), buffer, sizeof buffer);
    REQUIRE(n > 0);
    CHECK(std::string(buffer, static_cast<std::size_t>(n)) == each.name);
  }
}
