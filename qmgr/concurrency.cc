#include "qmgr/concurrency.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "common/base/text.h"

namespace postern::qmgr {

std::optional<Feedback> Feedback::parse(const std::string& text) {
  Feedback out;
  const std::string compact = replace_all(replace_all(text, " ", ""), "\t", "");
  char* end = nullptr;
  out.factor = std::strtod(compact.c_str(), &end);
  if (end == compact.c_str() || !std::isfinite(out.factor) || out.factor < 0)
    return std::nullopt;
  const std::string rest = end;
  if (rest == "/concurrency")
    out.kind = Kind::inverse;
  else if (rest == "/sqrt_concurrency")
    out.kind = Kind::inverse_root;
  else if (!rest.empty() || out.factor > 1)
    return std::nullopt;
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

void Window::succeeded(const ConcurrencyRules& rules, int busy) {
  failed_cohorts_ = 0;
  if (rules.limit > 0 && size_ >= rules.limit) return;
  // Where the window is not used, its growth would only put off the effect of
  // later failures.
  if (size_ >= busy + rules.initial) return;
  for (success_ += rules.positive.amount(size_); success_ >= 1 - 1e-9;
       success_ -= 1) {
    ++size_;
    failure_ = 0;
  }
  if (rules.limit > 0) size_ = std::min(size_, rules.limit);
}

void Window::failed(const ConcurrencyRules& rules) {
  if (rules.failed_cohort_limit > 0) {
    // As many failures as the window is wide make a cohort.
    failed_cohorts_ += 1.0 / size_;
    if (failed_cohorts_ >= rules.failed_cohort_limit - 1e-9) dead_ = true;
  }
  // Less comes at once, and then only after a whole unit of failures.
  for (failure_ -= rules.negative.amount(size_); failure_ < -1e-9;
       failure_ += 1) {
    --size_;
    success_ = 0;
  }
  size_ = std::max(1, size_);
}

std::string Window::text() const {
  return fmt::format("window {} success {:.3g} failure {:.3g} fail_cohorts "
                     "{:.3g}{}",
                     size_, success_, failure_, failed_cohorts_,
                     dead_ ? " dead" : "");
}

void Window::revive(const ConcurrencyRules& rules) { *this = Window(rules); }

}  // namespace postern::qmgr
