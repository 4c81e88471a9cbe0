// Who wants to know how an access decision came about, restriction by
// restriction: postern explain. The questions that are asked on the way are
// seen where they are answered (questions.h).
#pragma once

#include <string_view>

#include "common/access/restrictions.h"

namespace postern::access {

// The outcome of a restriction that refuses, for now, mail that nothing else
// refuses.
inline constexpr std::string_view trace_defers = "defer if permitted";

class Trace {
 public:
  virtual ~Trace() = default;

  // The list of a stage begins, "smtpd_recipient_restrictions".
  virtual void stage(std::string_view parameter) = 0;
  // A restriction is applied. `depth` counts restriction classes and lists
  // that tables gave.
  virtual void begins(const Restriction& restriction, int depth) = 0;
  // "permit", "reject", "go on", "warn", or trace_defers; `reply` of a refusal.
  virtual void ends(const Restriction& restriction, int depth,
                    std::string_view outcome, std::string_view reply) = 0;
};

}  // namespace postern::access
