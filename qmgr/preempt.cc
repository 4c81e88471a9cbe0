#include "qmgr/preempt.h"

namespace postern::qmgr {

double slots_now(const PreemptRules& rules, const JobProgress& job) {
  return static_cast<double>(job.selected) / rules.cost -
         static_cast<double>(job.used);
}

double most_slots(const PreemptRules& rules, const JobProgress& job) {
  return static_cast<double>(job.selected + job.waiting) / rules.cost -
         static_cast<double>(job.used);
}

bool worth_preempting(const PreemptRules& rules, const JobProgress& current) {
  return rules.cost >= 2 &&
         most_slots(rules, current) > static_cast<double>(rules.minimum_slots);
}

bool may_preempt(const PreemptRules& rules, const JobProgress& current,
                 std::size_t entries) {
  return static_cast<double>(entries) <= most_slots(rules, current);
}

bool may_preempt_now(const PreemptRules& rules, const JobProgress& current,
                     std::size_t entries) {
  const double asked =
      static_cast<double>(entries) * (100 - rules.discount) / 100.0;
  return asked <= slots_now(rules, current) + rules.loan;
}

double urgency(std::int64_t waited, std::size_t entries) {
  return static_cast<double>(waited + 1) / static_cast<double>(entries);
}

}  // namespace postern::qmgr
