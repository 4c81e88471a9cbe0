// A week of deliveries with failing destinations, in simulated time: the pure
// parts together, against what postconf(5) and qmgr(8) document.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "qmgr/message.h"
#include "qmgr/retry.h"
#include "qmgr/schedule.h"

using namespace postern::qmgr;

namespace {

constexpr std::int64_t queue_run_delay = 300;

struct Mail {
  std::string destination;
  std::int64_t arrival = 0;
  std::int64_t next = 0;  // of the deferred queue: its time stamp
  bool active = false;
  std::vector<std::int64_t> attempts;     // an agent was asked
  std::vector<std::int64_t> suspensions;  // put off without asking
  std::int64_t ended = -1;
  bool delivered = false;
};

// The manager's loop: a queue run each queue_run_delay, deliveries at once.
class Week {
 public:
  explicit Week(RetryRules retry) : retry_(retry), transport_("smtp", rules()) {}

  // When is the destination up? Never, unless told.
  std::map<std::string, std::int64_t> up_from;
  std::vector<Mail> mails;

  void arrive(const std::string& destination, std::int64_t when) {
    Mail mail;
    mail.destination = destination;
    mail.arrival = mail.next = when;
    mails.push_back(std::move(mail));
  }

  void run(std::int64_t until) {
    for (std::int64_t now = 0; now <= until; now += queue_run_delay) {
      for (std::size_t i = 0; i < mails.size(); ++i)
        if (mails[i].ended < 0 && mails[i].next <= now) activate(i, now);
      while (auto next = transport_.next(now * 1000))
        attempt(*next->first, next->second, now);
    }
  }

 private:
  static TransportRules rules() {
    TransportRules rules;
    rules.concurrency.initial = 5;
    return rules;
  }

  void activate(std::size_t i, std::int64_t now) {
    Mail& mail = mails[i];
    const Destination* known = transport_.find(mail.destination);
    if (known != nullptr && known->suspended &&
        known->not_before > now * 1000) {
      mail.suspensions.push_back(now);
      return put_off(mail, now);
    }
    Entry entry;
    entry.message = std::make_shared<Message>();
    entry.recipients = {i};
    entry.addresses = {"x@" + mail.destination};
    entry.nexthop = mail.destination;
    transport_.add(mail.destination, std::move(entry), ++order_, now * 1000);
  }

  void attempt(Destination& destination, const Entry& entry,
               std::int64_t now) {
    Mail& mail = mails[entry.recipients.front()];
    mail.attempts.push_back(now);
    const auto up = up_from.find(mail.destination);
    if (up != up_from.end() && up->second <= now) {
      destination.window.succeeded(transport_.rules.concurrency,
                                   destination.busy);
      mail.ended = now;
      mail.delivered = true;
    } else {
      destination.window.failed(transport_.rules.concurrency);
      if (destination.window.dead() && !destination.suspended) {
        transport_.suspend(destination,
                           (now + retry_.minimal_backoff) * 1000);
        for (const Entry& each : transport_.take_waiting(destination)) {
          Mail& other = mails[each.recipients.front()];
          other.suspensions.push_back(now);
          put_off(other, now);
        }
      }
      put_off(mail, now);
    }
    transport_.finished(destination, entry.message.get(), now * 1000);
  }

  void put_off(Mail& mail, std::int64_t now) {
    if (expired(retry_, false, mail.arrival, now))
      mail.ended = now;
    else
      mail.next = next_attempt(retry_, mail.arrival, now);
  }

  RetryRules retry_;
  Transport transport_;
  std::uint64_t order_ = 0;
};

}  // namespace

TEST_CASE("mail for a dead host is tried ever less often, and goes back after "
          "maximal_queue_lifetime",
          "[qmgr][week]") {
  // postconf(5): 5d, minimal_backoff_time 300s, maximal_backoff_time 4000s,
  // queue_run_delay 300s.
  Week week{RetryRules()};
  week.arrive("dead.example", 0);
  week.run(7 * 86400);
  const Mail& mail = week.mails.front();
  CHECK_FALSE(mail.delivered);
  // Given up at the first attempt after five days.
  CHECK(mail.ended >= 5 * 86400);
  CHECK(mail.ended <= 5 * 86400 + 4000 + queue_run_delay);
  // Each pause doubles the age, within the two limits and rounded up to a
  // queue run.
  const std::vector<std::int64_t> first = {0,    300,   600,   1200,
                                           2400, 4800,  9000,  13200};
  REQUIRE(mail.attempts.size() > first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    CAPTURE(i);
    CHECK(mail.attempts[i] == first[i]);
  }
  for (std::size_t i = 1; i < mail.attempts.size(); ++i) {
    const std::int64_t pause = mail.attempts[i] - mail.attempts[i - 1];
    CHECK(pause >= 300);
    CHECK(pause <= 4000 + queue_run_delay);
  }
  // About one in 4200 s.
  CHECK(mail.attempts.size() > 100);
  CHECK(mail.attempts.size() < 115);
}

TEST_CASE("much mail for a dead host does not mean many attempts",
          "[qmgr][week]") {
  Week week{RetryRules()};
  for (int i = 0; i < 2000; ++i) week.arrive("dead.example", i % 3600);
  week.run(7 * 86400);
  std::size_t attempts = 0;
  for (const Mail& mail : week.mails) {
    CHECK(mail.ended >= 5 * 86400);
    CHECK(mail.ended <= mail.arrival + 5 * 86400 + 4000 + 2 * queue_run_delay);
    attempts += mail.attempts.size();
  }
  // A cohort of five in each 300 s at most, where each on its own would be
  // 210,000.
  CHECK(attempts <= 5 * (5 * 86400 + 5000) / 300);
  CHECK(attempts > 1000);
}

TEST_CASE("a host that comes back gets all of its mail within the longest "
          "pause, and a dead one does not delay others",
          "[qmgr][week]") {
  Week week{RetryRules()};
  week.up_from["late.example"] = 2 * 86400;
  week.up_from["fine.example"] = 0;
  for (int i = 0; i < 200; ++i) {
    week.arrive("late.example", i * 60);
    week.arrive("dead.example", i * 60);
    week.arrive("fine.example", i * 60);
  }
  week.run(7 * 86400);
  for (const Mail& mail : week.mails) {
    CAPTURE(mail.destination, mail.arrival);
    if (mail.destination == "dead.example") {
      CHECK_FALSE(mail.delivered);
      continue;
    }
    REQUIRE(mail.delivered);
    if (mail.destination == "fine.example")
      CHECK(mail.ended <= mail.arrival + queue_run_delay);
    else
      CHECK(mail.ended <= 2 * 86400 + 2 * (4000 + queue_run_delay));
  }
}
