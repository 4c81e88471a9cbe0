// The expression of postqueue --where, and qshape's table.
#include "tools/queue_filter.h"

#include <catch2/catch.hpp>

#include "tools/queue_shape.h"

namespace postern::tools {
namespace {

constexpr std::int64_t now = 1000000;

Queued sample() {
  Queued m;
  m.queue = "deferred";
  m.id = "4Fabc12345z1";
  m.sender = "list@lists.example.com";
  m.arrival = now - 7200;
  m.size = 20480;
  m.next_attempt = now + 600;
  m.recipients = {{"ann@one.test", "connect to one.test[192.0.2.1]:25: "
                                   "Connection timed out"},
                  {"bob@Two.test", ""}};
  return m;
}

bool matches(const std::string& expression, const Queued& m = sample()) {
  FilterError error;
  const auto filter = QueueFilter::parse(expression, error);
  INFO(expression << ": " << error.text);
  REQUIRE(filter);
  return filter->matches(m, now);
}

}  // namespace

TEST_CASE("an expression says which messages are meant", "[tools][filter]") {
  struct {
    const char* expression;
    bool is;
  } const cases[] = {
      {"sender = list@lists.example.com", true},
      {"sender = \"LIST@lists.example.com\"", true},
      {"sender = *@*.example.com", true},
      {"sender = lis?@*", true},
      {"sender = list", false},
      {"sender != list", true},
      {"sender_domain = lists.example.com", true},
      {"recipient = bob@two.test", true},
      {"recipient = bob@three.test", false},
      {"recipient != bob@two.test", false},
      {"domain = two.test", true},
      {"domain ~ '^(one|six)\\.test$'", true},
      {"domain !~ test", false},
      {"reason ~ \"timed out\"", true},
      {"reason ~ refused", false},
      {"reason = \"\"", true},  // bob's
      {"queue = deferred", true},
      {"deferred", true},
      {"hold", false},
      {"not hold", true},
      {"! hold && deferred", true},
      {"active or hold or deferred", true},
      {"expired", false},
      {"id = 4Fabc*", true},
      {"size > 20000", true},
      {"size = 20k", true},
      {"size >= 1m", false},
      {"age >= 2h", true},
      {"age > 2h", false},
      {"age < 1h90m", true},
      {"age < 1d", true},
      {"next <= 10m", true},
      {"next > 10m", false},
      {"recipients = 2", true},
      {"recipients > 100", false},
      {"hold or age > 1h and size < 30k", true},
      {"(hold or age > 1h) and size < 10k", false},
      {"not (hold or active)", true},
      {"SENDER=list@lists.example.com AND Age>1h", true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.expression);
    CHECK(matches(c.expression) == c.is);
  }
}

TEST_CASE("the null sender has two names", "[tools][filter]") {
  Queued m = sample();
  m.sender = "MAILER-DAEMON";
  CHECK(matches("sender = ''", m));
  CHECK(matches("sender = mailer-daemon", m));
  CHECK_FALSE(matches("sender = ''"));
}

TEST_CASE("what does not wait for an attempt has no next one",
          "[tools][filter]") {
  Queued m = sample();
  m.queue = "hold";
  CHECK_FALSE(matches("next < 1w", m));
  CHECK_FALSE(matches("next >= 0", m));
}

TEST_CASE("a wrong expression is told with its place", "[tools][filter]") {
  struct {
    const char* expression;
    const char* text;
    std::size_t at;
  } const cases[] = {
      {"", "a condition is missing", 0},
      {"sendr = x", "there is no field sendr; did you mean sender?", 0},
      {"hold and recipent = x",
       "there is no field recipent; did you mean recipient?", 9},
      {"colour = red", "there is no field colour", 0},
      {"sender x", "behind sender one of = != ~ !~ is expected", 7},
      {"sender < x", "behind sender one of = != ~ !~ is expected", 7},
      {"size ~ 1", "behind size one of = != < <= > >= is expected", 5},
      {"sender =", "a value for sender is missing", 8},
      {"age > 3x", "a time is expected: 90s, 30m, 2h, 5d, 1w", 6},
      {"size > big", "a size is expected: 500, 20k, 1m", 7},
      {"recipients > few", "a number is expected", 13},
      {"sender = \"a", "the closing quote is missing", 9},
      {"(hold", "the parenthesis is not closed", 0},
      {"hold)", "\"and\", \"or\" or the end is expected", 4},
      {"hold active", "\"and\", \"or\" or the end is expected", 5},
      {"hold and", "a condition is missing", 8},
      {"= x", "the name of a field is expected", 0},
  };
  for (const auto& c : cases) {
    CAPTURE(c.expression);
    FilterError error;
    CHECK_FALSE(QueueFilter::parse(c.expression, error));
    CHECK(error.text == c.text);
    CHECK(error.at == c.at);
  }
  FilterError error;
  CHECK_FALSE(QueueFilter::parse("reason ~ \"(\"", error));
  CHECK(error.text.starts_with("bad pattern: "));
  CHECK_FALSE(QueueFilter::parse(std::string(1000, '(') + "hold", error));
  CHECK(error.text == "this is nested too deeply");
  CHECK(shown("a\xc3\xa4 x", {"", 4}) == "  a\xc3\xa4 x\n     ^\n");
}

TEST_CASE("a line of the listing is a message", "[tools][filter]") {
  const auto m = queued_from(
      "{\"queue_name\": \"hold\", \"queue_id\": \"A1\", \"arrival_time\": 5, "
      "\"message_size\": 7, \"forced_expire\": true, \"sender\": \"s@x\", "
      "\"recipients\": [{\"address\": \"r@x\", \"delay_reason\": \"why\"}], "
      "\"next_attempt\": 9}");
  REQUIRE(m);
  CHECK(m->queue == "hold");
  CHECK(m->arrival == 5);
  CHECK(m->size == 7);
  CHECK(m->next_attempt == 9);
  CHECK(m->expired);
  REQUIRE(m->recipients.size() == 1);
  CHECK(m->recipients[0].reason == "why");
  CHECK_FALSE(queued_from("{}"));
  CHECK_FALSE(queued_from("nonsense"));
}

TEST_CASE("qshape counts domains by age", "[tools][shape]") {
  ShapeRules rules;
  rules.buckets = 3;
  rules.width = 50;
  QueueShape shape(rules);
  shape.add("a@one.test", false, 0);
  shape.add("b@ONE.test", false, 299);
  shape.add("c@two.test", false, 300);
  shape.add("d@one.test", false, 600);
  shape.add("e@one.test", false, 999999);
  CHECK(shape.table() ==
        "                                        T 5 10 10+\n"
        "                                  TOTAL 5 2  1   2\n"
        "                               one.test 4 2  0   2\n"
        "                               two.test 1 0  1   0\n");
}

TEST_CASE("qshape's memory has a limit", "[tools][shape]") {
  ShapeRules rules;
  rules.most_domains = 2;
  QueueShape shape(rules);
  for (const char* domain : {"a", "b", "c", "d", "a"})
    shape.add(std::string("x@") + domain + ".test", false, 0);
  const std::string table = shape.table();
  CHECK(table.find("a.test 2") != std::string::npos);
  CHECK(table.find("(others) 2") != std::string::npos);
  CHECK(table.find("c.test") == std::string::npos);
}

}  // namespace postern::tools
