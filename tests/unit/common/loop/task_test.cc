// The shapes of the coroutine dialect (docs/house.md): a compiler that breaks
// one is seen here first. Also streams.
#include "common/loop/task.h"

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <string>

#include "common/loop/connect.h"
#include "common/loop/stream.h"

using namespace postern;
using namespace std::chrono_literals;

namespace {

Task<int> at_once(int value) { co_return value; }

Task<std::string> later(std::string text) {
  co_await pause(1ms);
  co_return text + "!";
}

Task<void> throws_later() {
  co_await pause(1ms);
  throw Hangup{Hangup::Why::closed, 0};
}

// Counts what is alive, to see that cancelled frames destroy their locals.
struct Counted {
  explicit Counted(int& n) : count(n) { ++count; }
  ~Counted() { --count; }
  int& count;
};

Task<void> holds(int* alive) {
  const Counted counted(*alive);
  co_await pause(1h);
}

Task<void> holds_below(int* alive) {
  const Counted counted(*alive);
  co_await holds(alive);
}

Task<long> many(int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i) {
    const int one = co_await at_once(i);
    sum += one;
  }
  co_return sum;
}

template <class T>
T run(Loop& loop, Task<T> task) {
  std::optional<T> out;
  Nursery nursery;
  nursery.start([](Task<T> inner, std::optional<T>* result) -> Task<void> {
    T value = co_await inner;
    *result = std::move(value);
  }(std::move(task), &out));
  loop.run_until([&] { return out.has_value(); });
  return std::move(*out);
}

Task<std::string> branches(int which) {
  std::string out;
  if (which == 0) {
    out = co_await later("zero");
  } else {
    const int n = co_await at_once(which);
    out = std::to_string(n);
  }
  try {
    co_await throws_later();
  } catch (const Hangup&) {
    out += " hung up";
  }
  co_return co_await later(std::move(out));
}

std::pair<Fd, Fd> socket_pair() {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

Task<std::string> read_line(Stream* stream, Millis limit) {
  for (;;) {
    const std::size_t at = stream->buffered().find('\n');
    if (at != std::string_view::npos) {
      std::string line(stream->buffered().substr(0, at));
      stream->consume(at + 1);
      co_return line;
    }
    co_await stream->fill(limit);
  }
}

Task<std::string> line_or_why(Stream* stream, Millis limit) {
  std::string out;
  try {
    out = co_await read_line(stream, limit);
  } catch (const Hangup& hangup) {
    out = hangup.why == Hangup::Why::closed      ? "closed"
          : hangup.why == Hangup::Why::timed_out ? "timed out"
                                                 : "broken";
  }
  co_return out;
}

}  // namespace

TEST_CASE("the good shapes of the dialect work", "[loop][dialect]") {
  Loop loop;
  CHECK(run(loop, branches(0)) == "zero! hung up!");
  CHECK(run(loop, branches(7)) == "7 hung up!");
}

TEST_CASE("a million awaits need a constant stack", "[loop][dialect]") {
  Loop loop;
  CHECK(run(loop, many(1000000)) == 499999500000L);
}

TEST_CASE("destroying a task destroys the frames below it", "[loop]") {
  Loop loop;
  int alive = 0;
  {
    Nursery nursery;
    nursery.start(holds_below(&alive));
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

TEST_CASE("a nursery forgets tasks that ended", "[loop]") {
  Loop loop;
  Nursery nursery;
  bool empty = false;
  nursery.when_empty([&] { empty = true; });
  for (int i = 0; i < 3; ++i)
    nursery.start([]() -> Task<void> { co_await pause(1ms); }());
  CHECK(nursery.size() == 3);
  loop.run_until([&] { return empty; });
  CHECK(nursery.empty());
}

TEST_CASE("a stream gives lines as they come", "[loop][stream]") {
  Loop loop;
  auto [a, b] = socket_pair();
  Stream left(std::move(a));
  Stream right(std::move(b));
  left.put("one\ntw");
  left.push();
  CHECK(run(loop, line_or_why(&right, 1s)) == "one");
  Timer more([&] {
    left.put("o\n");
    left.push();
  });
  more.start(1ms);
  CHECK(run(loop, line_or_why(&right, 1s)) == "two");
}

TEST_CASE("a stream's wait ends with the peer or the clock",
          "[loop][stream]") {
  Loop loop;
  auto [a, b] = socket_pair();
  auto left = std::make_unique<Stream>(std::move(a));
  Stream right(std::move(b));
  CHECK(run(loop, line_or_why(&right, 5ms)) == "timed out");
  left.reset();
  CHECK(run(loop, line_or_why(&right, 1s)) == "closed");
}

TEST_CASE("connecting to nobody says why", "[loop][connect]") {
  Loop loop;
  // Port 1 of loopback: nothing listens there.
  const Result<SocketAddress> address = SocketAddress::ip("127.0.0.1", 1);
  REQUIRE(address);
  const Result<Fd> fd = run(loop, connect_to(*address, 1s, std::nullopt));
  REQUIRE_FALSE(fd);
  CHECK(fd.trouble().text == "Connection refused");
}
