#include "qmgr/concurrency.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "common/base/text.h"

namespace postern::qmgr {

Feedback Feedback::parse(const std::string& text, double fallback) {
  Feedback out;
  out.factor = fallback;
  const std::string compact = replace_all(replace_all(text, " ", ""), "\t", "");
  if (compact.empty()) return out;
  char* end = nullptr;
  const double number = std::strtod(compact.c_str(), &end);
  if (end == compact.c_str() || number < 0) return out;
  out.factor = number;
  const std::string rest = end;
  if (rest == "/concurrency") out.kind = Kind::inverse;
  if (rest == "/sqrt_concurrency") out.kind = Kind::inverse_root;
  return out;
}

double Feedback::amount(int concurrency) const {
  const double c = std::max(concurrency, 1);
  switch (kind) {
    case Kind::constant: return factor;
    case Kind::inverse: return factor / c;
    case Kind::inverse_root: return factor / std::sqrt(c);
  }
  return factor;
}

Window::Window(const ConcurrencyRules& rules)
    : size_(std::max(1, rules.limit > 0 ? std::min(rules.initial, rules.limit)
                                        : rules.initial)) {}

void Window::succeeded(const ConcurrencyRules& rules) {
  failed_cohorts_ = 0;
  if (rules.limit > 0 && size_ >= rules.limit) return;
  success_ += rules.positive.amount(size_);
  if (success_ < 1) return;
  size_ += static_cast<int>(success_);
  success_ = 0;
  if (rules.limit > 0) size_ = std::min(size_, rules.limit);
}

void Window::failed(const ConcurrencyRules& rules) {
  if (rules.failed_cohort_limit > 0) {
    // As many failures as the window is wide make a cohort.
    failed_cohorts_ += 1.0 / size_;
    if (failed_cohorts_ >= rules.failed_cohort_limit - 1e-9) dead_ = true;
  }
  success_ = 0;
  failure_ += rules.negative.amount(size_);
  if (failure_ < 1) return;
  size_ = std::max(1, size_ - static_cast<int>(failure_));
  failure_ = 0;
}

void Window::revive(const ConcurrencyRules& rules) { *this = Window(rules); }

}  // namespace postern::qmgr
