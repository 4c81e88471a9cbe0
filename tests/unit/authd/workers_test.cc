#include "authd/workers.h"

#include <catch2/catch.hpp>
#include <future>

using namespace postern;
using namespace postern::authd;

namespace {

constexpr Millis patience{20'000};

Task<void> wait_for(Workers::Job<int>* job, int* out) {
  const bool in_time = co_await job->wait(patience);
  if (in_time) *out = job->take();
}

}  // namespace

TEST_CASE("Jobs run beside the loop, and their results come back") {
  Loop loop;
  Workers workers({2, 10, 10});
  Workers::Job<int> one(workers, "a", [] { return 1; });
  Workers::Job<int> two(workers, "b", [] { return 2; });
  int first = 0, second = 0;
  Nursery nursery;
  nursery.start(wait_for(&one, &first));
  nursery.start(wait_for(&two, &second));
  loop.run_until([&] { return nursery.empty(); });
  CHECK(first == 1);
  CHECK(second == 2);
}

TEST_CASE("The queue ends, for everybody and for each client") {
  Loop loop;
  std::promise<void> gate;
  std::shared_future<void> opened(gate.get_future());
  std::promise<void> begun;
  Workers workers({1, 4, 2});
  const auto blocked = [opened] {
    opened.wait();
    return 0;
  };
  Workers::Job<int> running(workers, "x", [&begun, opened] {
    begun.set_value();
    opened.wait();
    return 7;
  });
  begun.get_future().wait();
  Workers::Job<int> first(workers, "a", blocked);
  auto second = std::make_unique<Workers::Job<int>>(workers, "a", blocked);
  const Workers::Job<int> third(workers, "a", blocked);
  CHECK(first.accepted());
  CHECK(second->accepted());
  CHECK_FALSE(third.accepted());
  const Workers::Job<int> other(workers, "b", blocked);
  const Workers::Job<int> last(workers, "c", blocked);
  CHECK(other.accepted());
  CHECK(last.accepted());
  CHECK_FALSE(Workers::Job<int>(workers, "d", blocked).accepted());
  CHECK(workers.waiting() == 4);
  // Whose client has gone makes room.
  second.reset();
  CHECK(Workers::Job<int>(workers, "d", blocked).accepted());
  gate.set_value();
  int out = 0;
  Nursery nursery;
  nursery.start(wait_for(&running, &out));
  loop.run_until([&] { return nursery.empty(); });
  CHECK(out == 7);
}

TEST_CASE("A job may be left while it runs") {
  Loop loop;
  std::promise<void> gate;
  std::promise<void> begun;
  {
    Workers workers({1, 4, 4});
    {
      Workers::Job<int> job(workers, "", [&] {
        begun.set_value();
        gate.get_future().wait();
        return 1;
      });
      begun.get_future().wait();
    }
    gate.set_value();
  }
  SUCCEED("nobody was called");
}
