// When an address is probed, and what a probe's end changes.
#include "common/access/verification.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::access;

namespace {

constexpr std::int64_t day = 86400;
constexpr std::int64_t now = 1'700'000'000;
const VerificationRules rules{31 * day, 7 * day, 3 * day, 3 * 3600, true};

Verification entry(std::int64_t status, std::int64_t updated,
                   std::int64_t probed = 0) {
  return {status, probed, updated, "text"};
}

}  // namespace

TEST_CASE("an entry is one line, and survives it") {
  for (const Verification& e :
       {Verification{}, Verification{3, 5, 7, "host x said: 550 5.1.1 a:b"}})
    CHECK(Verification::from_line(e.line()) == e);
  for (const char* line : {"", "1", "1:2:3", "x:1:2:t", "9:1:2:t", "-1:1:2:t",
                           "1:-2:3:t"}) {
    CAPTURE(line);
    CHECK_FALSE(Verification::from_line(line));
  }
}

TEST_CASE("age decides what is answered and whether to probe") {
  const std::int64_t good = ipc::verify_deliverable;
  const std::int64_t bad = ipc::verify_undeliverable;
  struct Case {
    const char* what;
    std::optional<Verification> known;
    std::int64_t answer;
    bool probe;
  };
  const Case cases[] = {
      {"unknown", std::nullopt, ipc::verify_todo, true},
      {"good", entry(good, now - day), good, false},
      {"good, to be refreshed", entry(good, now - 8 * day), good, true},
      {"good, being refreshed", entry(good, now - 8 * day, now - 10), good,
       false},
      {"good, expired", entry(good, now - 32 * day), ipc::verify_todo, true},
      {"good, expired while probed", entry(good, now - 32 * day, now - 10),
       good, false},
      {"bad", entry(bad, now - 3600), bad, false},
      {"bad, to be refreshed", entry(bad, now - 4 * 3600), bad, true},
      {"bad, expired", entry(bad, now - 4 * day), ipc::verify_todo, true},
      {"probe under way", entry(ipc::verify_todo, 0, now - 10),
       ipc::verify_todo, false},
      {"probe lost", entry(ipc::verify_todo, 0, now - 1001), ipc::verify_todo,
       true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const VerificationStep step = on_question(c.known, rules, now);
    CHECK(step.answer.status == c.answer);
    CHECK(step.probe == c.probe);
    CHECK(step.write == c.probe);
    if (c.answer == ipc::verify_todo && c.probe)
      CHECK(step.answer.text == "Address verification in progress");
  }
}

TEST_CASE("where failures are not remembered, only successes are written") {
  VerificationRules forgetful = rules;
  forgetful.negative_cache = false;
  CHECK_FALSE(on_question(std::nullopt, forgetful, now).write);
  const auto expired_entry = entry(ipc::verify_deliverable, now - 32 * day);
  CHECK(on_question(expired_entry, forgetful, now).forget);
  CHECK_FALSE(on_result(std::nullopt, ipc::verify_temporary, "x", forgetful,
                        now));
  CHECK(on_result(std::nullopt, ipc::verify_deliverable, "x", forgetful, now));
}

TEST_CASE("a good answer outlives failed probes until it expires") {
  const auto good = entry(ipc::verify_deliverable, now - 8 * day, now - 10);
  const auto kept =
      on_result(good, ipc::verify_undeliverable, "no", rules, now);
  REQUIRE(kept);
  CHECK(kept->status == ipc::verify_deliverable);
  CHECK(kept->updated == good.updated);
  CHECK(kept->probed == 0);
  const auto old = entry(ipc::verify_deliverable, now - 32 * day);
  const auto replaced =
      on_result(old, ipc::verify_undeliverable, "no", rules, now);
  REQUIRE(replaced);
  CHECK(replaced->status == ipc::verify_undeliverable);
  CHECK(replaced->text == "no");
}
