// The pure parts of the queue manager: retry, concurrency, whose turn it is.
#include "qmgr/schedule.h"

#include <catch2/catch.hpp>

#include "qmgr/concurrency.h"
#include "qmgr/message.h"
#include "qmgr/retry.h"

using namespace postern;
using namespace postern::qmgr;

namespace {

Entry entry_for(const std::string& nexthop, std::size_t recipient = 0) {
  Entry e;
  e.message = std::make_shared<Message>();
  e.nexthop = nexthop;
  e.recipients = {recipient};
  e.addresses = {"x@" + nexthop};
  return e;
}

// One entry of a message of its own, later than all before.
void put(Transport& t, const std::string& nexthop, std::int64_t now) {
  static std::uint64_t order = 0;
  t.add(nexthop, entry_for(nexthop), ++order, now);
}

// A message with entries for one destination each.
void put_message(Transport& t, const std::string& name, int entries,
                 std::uint64_t order, std::int64_t now = 0) {
  auto message = std::make_shared<Message>();
  message->id = name;
  for (int i = 0; i < entries; ++i) {
    Entry e;
    e.message = message;
    e.nexthop = std::to_string(order) + "-" + std::to_string(i);
    e.recipients = {static_cast<std::size_t>(i)};
    e.addresses = {"x@" + e.nexthop};
    const std::string key = e.nexthop;
    t.add(key, std::move(e), order, now);
  }
}

// The names of the messages in the order in which their entries go.
std::string sequence(Transport& t, int most = 100) {
  std::string out;
  while (most-- > 0)
    if (auto next = t.next(0))
      out += next->second.message->id;
    else
      break;
  return out;
}

TransportRules plain_rules(int window, int processes) {
  TransportRules rules;
  rules.concurrency.initial = window;
  rules.concurrency.limit = 20;
  rules.process_limit = processes;
  return rules;
}

}  // namespace

TEST_CASE("a message is tried again when it is twice as old",
          "[qmgr][retry]") {
  const RetryRules rules;
  struct {
    std::int64_t age, wait;
  } const cases[] = {{0, 300},    {299, 300},   {300, 300},  {600, 600},
                     {3999, 3999}, {4001, 4000}, {90000, 4000}, {-50, 300}};
  for (const auto& c : cases) {
    CAPTURE(c.age);
    CHECK(next_attempt(rules, 1000000, 1000000 + c.age) ==
          1000000 + c.age + c.wait);
  }
}

TEST_CASE("mail without sender has a lifetime of its own", "[qmgr][retry]") {
  RetryRules rules;
  rules.lifetime = 100;
  rules.bounce_lifetime = 10;
  CHECK_FALSE(expired(rules, false, 1000, 1099));
  CHECK(expired(rules, false, 1000, 1100));
  CHECK(expired(rules, true, 1000, 1010));
  rules.lifetime = 0;
  CHECK(expired(rules, false, 1000, 1000));
}

TEST_CASE("the sender is told of a delay once", "[qmgr][retry]") {
  RetryRules rules;
  CHECK_FALSE(warn_of_delay(rules, 0, 0, 1000000));
  rules.delay_warning = 3600;
  CHECK_FALSE(warn_of_delay(rules, 0, 0, 3599));
  CHECK(warn_of_delay(rules, 0, 0, 3600));
  CHECK_FALSE(warn_of_delay(rules, 0, 3600, 7200));
}

TEST_CASE("feedback is read as SCHEDULER_README writes it",
          "[qmgr][concurrency]") {
  CHECK(Feedback::parse("1")->amount(10) == Approx(1));
  CHECK(Feedback::parse("1/concurrency")->amount(10) == Approx(0.1));
  CHECK(Feedback::parse("2 / sqrt_concurrency")->amount(16) == Approx(0.5));
  CHECK(Feedback::parse("0.25")->amount(3) == Approx(0.25));
  for (const char* bad : {"", "nonsense", "1/x", "-1", "2", "1 concurrency"}) {
    CAPTURE(bad);
    CHECK_FALSE(Feedback::parse(bad));
  }
}

TEST_CASE("a window grows with success up to its limit",
          "[qmgr][concurrency]") {
  ConcurrencyRules rules;
  rules.initial = 5;
  rules.limit = 7;
  Window window(rules);
  CHECK(window.size() == 5);
  window.succeeded(rules, 5);
  CHECK(window.size() == 6);
  for (int i = 0; i < 10; ++i) window.succeeded(rules, 7);
  CHECK(window.size() == 7);
}

TEST_CASE("a window grows by fractions, and not where it is not used",
          "[qmgr][concurrency]") {
  ConcurrencyRules rules;
  rules.initial = 2;
  rules.positive = *Feedback::parse("1/concurrency");
  Window window(rules);
  window.succeeded(rules, 2);
  CHECK(window.size() == 2);
  window.succeeded(rules, 2);
  CHECK(window.size() == 3);
  for (int i = 0; i < 3; ++i) window.succeeded(rules, 3);
  CHECK(window.size() == 4);
  for (int i = 0; i < 100; ++i) window.succeeded(rules, 1);
  CHECK(window.size() == 4);
}

TEST_CASE("a window shrinks at once, then by whole units of failures",
          "[qmgr][concurrency]") {
  ConcurrencyRules rules;
  rules.initial = 10;
  rules.failed_cohort_limit = 0;
  rules.negative = *Feedback::parse("0.5");
  Window window(rules);
  const int sizes[] = {9, 9, 8, 8, 7};
  for (const int size : sizes) {
    window.failed(rules);
    CHECK(window.size() == size);
  }
}

TEST_CASE("a cohort of failures makes a destination dead",
          "[qmgr][concurrency]") {
  ConcurrencyRules rules;
  rules.initial = 2;
  Window window(rules);
  window.failed(rules);
  CHECK_FALSE(window.dead());
  CHECK(window.size() == 1);
  window.failed(rules);
  CHECK(window.dead());
  window.revive(rules);
  CHECK_FALSE(window.dead());
  CHECK(window.size() == 2);

  // Success in between starts the count anew.
  Window other(rules);
  other.failed(rules);
  other.succeeded(rules, 1);
  other.failed(rules);
  CHECK_FALSE(other.dead());

  rules.failed_cohort_limit = 0;
  Window patient(rules);
  for (int i = 0; i < 100; ++i) patient.failed(rules);
  CHECK_FALSE(patient.dead());
  CHECK(patient.size() == 1);
}

TEST_CASE("messages go in the order in which they came",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(10, 100));
  for (int i = 0; i < 3; ++i) put(t, "big", 0);
  put(t, "small", 0);
  std::string order;
  while (auto next = t.next(0)) order += next->second.nexthop + " ";
  CHECK(order == "big big big small ");
}

TEST_CASE("the destinations of a message take turns", "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(10, 100));
  auto message = std::make_shared<Message>();
  for (const char* key : {"a", "a", "a", "b", "b", "c"}) {
    Entry e = entry_for(key);
    e.message = message;
    t.add(key, std::move(e), 1, 0);
  }
  std::string order;
  while (auto next = t.next(0)) order += next->second.nexthop;
  CHECK(order == "abcaba");
}

TEST_CASE("a window and a process limit hold deliveries back",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(2, 3));
  for (int i = 0; i < 3; ++i) put(t, "a", 0);
  for (int i = 0; i < 3; ++i) put(t, "b", 0);
  std::vector<Destination*> out;
  while (auto next = t.next(0)) out.push_back(next->first);
  REQUIRE(out.size() == 3);
  CHECK(t.busy == 3);
  t.finished(*out[0], nullptr, 0);
  CHECK(t.next(0));
  CHECK_FALSE(t.next(0));
}

TEST_CASE("a rate delay spaces deliveries", "[qmgr][schedule]") {
  TransportRules rules = plain_rules(5, 100);
  rules.rate_delay = 3;
  Transport t("slow", rules);
  put(t, "a", 100);
  put(t, "a", 100);
  auto first = t.next(100);
  REQUIRE(first);
  CHECK_FALSE(t.next(100));
  t.finished(*first->first, first->second.message.get(), 100);
  CHECK_FALSE(t.next(102));
  CHECK(t.next_wakeup(102) == 103);
  CHECK(t.next(103));
}

TEST_CASE("a suspended destination waits, and has another chance later",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(5, 100));
  put(t, "a", 0);
  Destination* a = t.find("a");
  REQUIRE(a != nullptr);
  t.suspend(*a, 300);
  CHECK(t.take_waiting(*a).size() == 1);
  put(t, "a", 10);
  CHECK_FALSE(t.next(10));
  put(t, "a", 300);
  CHECK_FALSE(a->suspended);
  CHECK(t.next(300));
}

TEST_CASE("what is forgotten has nothing left to remember",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(5, 100));
  put(t, "a", 0);
  put(t, "b", 0);
  auto first = t.next(0);
  t.tidy(0);
  CHECK(t.destinations() == 2);
  t.finished(*first->first, first->second.message.get(), 0);
  t.tidy(0);
  CHECK(t.destinations() == 1);
}

TEST_CASE("one recipient at a time makes each its own destination",
          "[qmgr][schedule]") {
  TransportRules rules = plain_rules(5, 100);
  rules.recipient_limit = 1;
  rules.delimiters = "+";
  const Transport t("local", rules);
  CHECK(t.destination_key("mx", "a@example.com") == "a@mx");
  CHECK(t.destination_key("mx", "a+lists@other.example") == "a@mx");
}

TEST_CASE("parts of a message reach a mailbox one after the other",
          "[qmgr][schedule]") {
  TransportRules rules = plain_rules(5, 100);
  rules.recipient_limit = 1;
  Transport t("local", rules);
  Entry first = entry_for("mx", 0);
  Entry second = first;
  second.recipients = {1};
  t.add("x@mx", first, 1, 0);
  t.add("x@mx", second, 1, 0);
  const auto going = t.next(0);
  REQUIRE(going);
  CHECK(going->second.recipients.front() == 0);
  CHECK_FALSE(t.next(0));
  t.add("y@mx", entry_for("mx", 2), 2, 0);
  CHECK(t.next(0)->first->key == "y@mx");
  t.finished(*going->first, going->second.message.get(), 0);
  CHECK(t.next(0)->second.recipients.front() == 1);
}

TEST_CASE("small messages go before a large one once it has earned the delay",
          "[qmgr][schedule]") {
  // The sequences are those of SCHEDULER_README.
  TransportRules rules = plain_rules(10, 100);
  rules.preempt = {2, 0, 0, 0};
  {
    Transport t("smtp", rules);
    put_message(t, "1", 10, 1);
    put_message(t, "2", 2, 2);
    put_message(t, "3", 2, 3);
    CHECK(sequence(t) == "11112211113311");
  }
  rules.preempt.discount = 50;
  {
    Transport t("smtp", rules);
    put_message(t, "1", 10, 1);
    put_message(t, "2", 2, 2);
    put_message(t, "3", 2, 3);
    CHECK(sequence(t) == "11221111331111");
  }
  // Without preemption, and where the large one is not large enough.
  for (const PreemptRules& off :
       {PreemptRules{0, 3, 50, 3}, PreemptRules{2, 3, 50, 100}}) {
    rules.preempt = off;
    Transport t("smtp", rules);
    put_message(t, "1", 10, 1);
    put_message(t, "2", 2, 2);
    CHECK(sequence(t) == "111111111122");
  }
  // A loan lets a small one go at once.
  rules.preempt = {5, 3, 50, 3};
  Transport t("smtp", rules);
  put_message(t, "1", 20, 1);
  put_message(t, "2", 1, 2);
  CHECK(sequence(t) == "211111111111111111111");
}

TEST_CASE("a preempting message may be preempted itself", "[qmgr][schedule]") {
  TransportRules rules = plain_rules(10, 1000);
  rules.preempt = {2, 0, 0, 0};
  Transport t("smtp", rules);
  put_message(t, "1", 40, 1);
  put_message(t, "2", 8, 2);
  const std::string begin = sequence(t, 20);
  CHECK(begin == "11111111111111112222");
  put_message(t, "3", 2, 3);
  CHECK(sequence(t, 6) == "332222");
  CHECK(sequence(t) == std::string(24, '1'));
  CHECK(t.jobs() == 0);
  CHECK(t.recipients() == 50);  // all under way
}

TEST_CASE("a large message takes no longer than its slots allow",
          "[qmgr][schedule]") {
  // As many small ones as there is room for: cost/(cost-1) is the worst.
  TransportRules rules = plain_rules(10, 100000);
  rules.preempt = {5, 0, 0, 0};
  Transport t("smtp", rules);
  put_message(t, "L", 1000, 1);
  for (int i = 0; i < 2000; ++i)
    put_message(t, "s", 1, static_cast<std::uint64_t>(i) + 2);
  const std::string order = sequence(t, 100000);
  REQUIRE(order.size() == 3000);
  const std::size_t end = order.rfind('L');
  CHECK(end <= 1000 * 5 / 4);
  CHECK(end >= 1100);
}

TEST_CASE("a message whose destinations are full does not hold up others",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(1, 100));
  auto big = std::make_shared<Message>();
  for (std::size_t i = 0; i < 3; ++i) {
    Entry e = entry_for("full", i);
    e.message = big;
    t.add("full", std::move(e), 1, 0);
  }
  put_message(t, "2", 1, 2);
  const auto first = t.next(0);
  REQUIRE(first);
  CHECK(first->first->key == "full");
  CHECK(sequence(t) == "2");
  t.finished(*first->first, first->second.message.get(), 0);
  const auto second = t.next(0);
  REQUIRE(second);
  CHECK(second->first->key == "full");
}

TEST_CASE("a transport's rate delay spaces all of its deliveries",
          "[qmgr][schedule]") {
  TransportRules rules = plain_rules(5, 100);
  rules.transport_rate_delay = 2000;
  Transport t("slow", rules);
  put_message(t, "1", 2, 1);
  const auto first = t.next(100);
  REQUIRE(first);
  CHECK_FALSE(t.next(100));
  t.finished(*first->first, first->second.message.get(), 500);
  CHECK_FALSE(t.next(2499));
  CHECK(t.next_wakeup(2499) == 2500);
  CHECK(t.next(2500));
}

TEST_CASE("the next of 20,000 messages costs no more than the next of ten",
          "[qmgr][schedule]") {
  // Linear in what is there it would be 400 million steps.
  TransportRules rules = plain_rules(1, 100);
  Transport t("smtp", rules);
  for (std::uint64_t i = 1; i <= 20000; ++i) {
    Entry e = entry_for("one");
    t.add("one", std::move(e), i, 0);
  }
  int done = 0;
  while (auto next = t.next(0)) {
    ++done;
    t.finished(*next->first, next->second.message.get(), 0);
  }
  CHECK(done == 20000);
}
