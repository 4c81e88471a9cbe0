// What is known of an address, and what follows from its age: the decisions of
// verify(8). Pure.
// Next: lookup/verifier.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/ipc/messages/verify.h"

namespace postern::access {

// An address in the cache. Times are seconds since 1970; 0: never.
struct Verification {
  std::int64_t status = ipc::verify_todo;
  std::int64_t probed = 0;   // a probe is on its way since then
  std::int64_t updated = 0;  // the status is of then
  std::string text;

  // One line, and back; nullopt when it is none.
  std::string line() const;
  static std::optional<Verification> from_line(std::string_view line);
  bool operator==(const Verification&) const = default;
};

// address_verify_…; seconds.
struct VerificationRules {
  std::int64_t positive_expire = 0, positive_refresh = 0;
  std::int64_t negative_expire = 0, negative_refresh = 0;
  bool negative_cache = true;
};

VerificationRules verification_rules(const config::Config& config);

// The probe of an entry is taken for lost after so long.
inline constexpr std::int64_t probe_lifetime = 1000;

bool expired(const Verification& entry, const VerificationRules& rules,
             std::int64_t now);

// What to answer, and whether to send a probe for it.
struct VerificationStep {
  Verification answer;
  bool probe = false;
  // To be written: the answer, with the probe noted. Where failures are not
  // remembered, an address is written only once it is known to take mail.
  bool write = false;
  bool forget = false;  // what is in the cache is to go
};
VerificationStep on_question(const std::optional<Verification>& known,
                             const VerificationRules& rules, std::int64_t now);

// What to write when a probe has ended; nullopt: leave the cache as it is. A
// good answer outlives later failures until it expires.
std::optional<Verification> on_result(const std::optional<Verification>& known,
                                      std::int64_t status, std::string text,
                                      const VerificationRules& rules,
                                      std::int64_t now);

}  // namespace postern::access
