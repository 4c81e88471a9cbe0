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
  CHECK(Feedback::parse("1", 9).amount(10) == Approx(1));
  CHECK(Feedback::parse("1/concurrency", 9).amount(10) == Approx(0.1));
  CHECK(Feedback::parse("2 / sqrt_concurrency", 9).amount(16) == Approx(0.5));
  CHECK(Feedback::parse("", 9).amount(3) == Approx(9));
  CHECK(Feedback::parse("nonsense", 9).amount(3) == Approx(9));
}

TEST_CASE("a window grows with success up to its limit",
          "[qmgr][concurrency]") {
  ConcurrencyRules rules;
  rules.initial = 5;
  rules.limit = 7;
  Window window(rules);
  CHECK(window.size() == 5);
  window.succeeded(rules);
  CHECK(window.size() == 6);
  for (int i = 0; i < 10; ++i) window.succeeded(rules);
  CHECK(window.size() == 7);
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
  other.succeeded(rules);
  other.failed(rules);
  CHECK_FALSE(other.dead());

  rules.failed_cohort_limit = 0;
  Window patient(rules);
  for (int i = 0; i < 100; ++i) patient.failed(rules);
  CHECK_FALSE(patient.dead());
  CHECK(patient.size() == 1);
}

TEST_CASE("destinations take turns", "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(10, 100));
  for (int i = 0; i < 3; ++i) t.add("big", entry_for("big"), 0);
  t.add("small", entry_for("small"), 0);
  std::string order;
  while (auto next = t.next(0)) order += next->second.nexthop + " ";
  CHECK(order == "big small big big ");
}

TEST_CASE("a window and a process limit hold deliveries back",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(2, 3));
  for (int i = 0; i < 3; ++i) t.add("a", entry_for("a"), 0);
  for (int i = 0; i < 3; ++i) t.add("b", entry_for("b"), 0);
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
  t.add("a", entry_for("a"), 100);
  t.add("a", entry_for("a"), 100);
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
  t.add("a", entry_for("a"), 0);
  Destination* a = t.find("a");
  REQUIRE(a != nullptr);
  a->suspended = true;
  a->not_before = 300;
  CHECK(t.take_waiting(*a).size() == 1);
  t.add("a", entry_for("a"), 10);
  CHECK_FALSE(t.next(10));
  t.add("a", entry_for("a"), 300);
  CHECK_FALSE(a->suspended);
  CHECK(t.next(300));
}

TEST_CASE("what is forgotten has nothing left to remember",
          "[qmgr][schedule]") {
  Transport t("smtp", plain_rules(5, 100));
  t.add("a", entry_for("a"), 0);
  t.add("b", entry_for("b"), 0);
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
  t.add("x@mx", first, 0);
  t.add("x@mx", second, 0);
  const auto going = t.next(0);
  REQUIRE(going);
  CHECK(going->second.recipients.front() == 0);
  CHECK_FALSE(t.next(0));
  t.add("y@mx", entry_for("mx", 2), 0);
  CHECK(t.next(0)->first->key == "y@mx");
  t.finished(*going->first, going->second.message.get(), 0);
  CHECK(t.next(0)->second.recipients.front() == 1);
}
