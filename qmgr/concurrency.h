// How many deliveries one destination is given at a time: pure. Grows with
// success, shrinks with failure (SCHEDULER_README, "concurrency scheduling").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace postern::qmgr {

// How much one delivery counts: a constant, 1/concurrency, or
// 1/sqrt(concurrency), with a factor.
struct Feedback {
  enum class Kind { constant, inverse, inverse_root };
  Kind kind = Kind::constant;
  double factor = 1;

  // "1", "0.5", "1/concurrency", "2 / sqrt_concurrency". nullopt: none of
  // these, or not above 0 and at most 1 for a constant.
  static std::optional<Feedback> parse(const std::string& text);
  double amount(int concurrency) const;
};

struct ConcurrencyRules {
  int initial = 5;
  int limit = 20;                 // 0: none
  Feedback positive;
  Feedback negative;
  int failed_cohort_limit = 1;    // 0: never declared dead
};

class Window {
 public:
  explicit Window(const ConcurrencyRules& rules);

  int size() const { return size_; }
  // So many failures that the destination counts as dead.
  bool dead() const { return dead_; }

  // `busy`: deliveries under way, the one that succeeded included.
  void succeeded(const ConcurrencyRules& rules, int busy);
  void failed(const ConcurrencyRules& rules);
  // Another chance, as if new.
  void revive(const ConcurrencyRules& rules);
  // "window 5 success 0.2 failure 0 fail_cohorts 0.2"
  std::string text() const;

 private:
  int size_;
  double success_ = 0;  // towards one more
  double failure_ = 0;  // what is left before one less
  double failed_cohorts_ = 0;
  bool dead_ = false;
};

}  // namespace postern::qmgr
