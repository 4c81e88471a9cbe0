// When a small job may go before a large one: pure. SCHEDULER_README, "How the
// preemption works".
//
// Each `cost` entries of a job that were selected earn it one slot; another job
// that needs no more entries than the slots earned may go first, which uses
// them up. So a job takes at most cost/(cost-1) times as long as without.
#pragma once

#include <cstddef>
#include <cstdint>

namespace postern::qmgr {

struct PreemptRules {
  int cost = 5;           // delivery_slot_cost; below 2: no preemption
  int loan = 3;           // delivery_slot_loan: slots given in advance
  int discount = 50;      // delivery_slot_discount: per cent not asked for
  int minimum_slots = 3;  // minimum_delivery_slots
};

// What a job has done and has to do, in entries.
struct JobProgress {
  std::size_t selected = 0;
  std::size_t waiting = 0;  // at least
  std::size_t used = 0;     // slots that others have used up
};

// Slots that it has now; negative after a loan.
double slots_now(const PreemptRules& rules, const JobProgress& job);
// Slots that it may have before it is through.
double most_slots(const PreemptRules& rules, const JobProgress& job);

// May `current` be preempted at all, by a job of some size?
bool worth_preempting(const PreemptRules& rules, const JobProgress& current);
// May a job of `entries` entries go before it some time? Now?
bool may_preempt(const PreemptRules& rules, const JobProgress& current,
                 std::size_t entries);
bool may_preempt_now(const PreemptRules& rules, const JobProgress& current,
                     std::size_t entries);

// Which of several goes first: the older and the smaller, the greater.
double urgency(std::int64_t waited, std::size_t entries);

}  // namespace postern::qmgr
