#include "common/access/verification.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::access {
namespace {

constexpr const char* in_progress = "Address verification in progress";

bool positive(const Verification& entry) {
  return entry.status == ipc::verify_deliverable;
}

std::int64_t age(std::int64_t since, std::int64_t now) { return now - since; }

}  // namespace

std::string Verification::line() const {
  return fmt::format("{}:{}:{}:{}", status, probed, updated, text);
}

std::optional<Verification> Verification::from_line(std::string_view line) {
  Verification out;
  for (std::int64_t* number : {&out.status, &out.probed, &out.updated}) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::optional<std::int64_t> value =
        parse_number(line.substr(0, colon));
    if (!value || *value < 0) return std::nullopt;
    *number = *value;
    line.remove_prefix(colon + 1);
  }
  if (out.status > ipc::verify_undeliverable) return std::nullopt;
  out.text = line;
  return out;
}

VerificationRules verification_rules(const config::Config& c) {
  VerificationRules rules;
  rules.positive_expire =
      c.get<"address_verify_positive_expire_time">().count();
  rules.positive_refresh =
      c.get<"address_verify_positive_refresh_time">().count();
  rules.negative_expire =
      c.get<"address_verify_negative_expire_time">().count();
  rules.negative_refresh =
      c.get<"address_verify_negative_refresh_time">().count();
  rules.negative_cache = c.get<"address_verify_negative_cache">();
  return rules;
}

bool expired(const Verification& entry, const VerificationRules& rules,
             std::int64_t now) {
  const std::int64_t lifetime =
      positive(entry) ? rules.positive_expire : rules.negative_expire;
  return age(entry.probed, now) > probe_lifetime &&
         age(entry.updated, now) > lifetime;
}

VerificationStep on_question(const std::optional<Verification>& known,
                             const VerificationRules& rules,
                             std::int64_t now) {
  VerificationStep step;
  const bool usable = known && !expired(*known, rules, now);
  if (usable) {
    step.answer = *known;
  } else {
    step.answer.text = in_progress;
    step.forget = known.has_value() && !rules.negative_cache;
  }
  const std::int64_t refresh = positive(step.answer) ? rules.positive_refresh
                                                     : rules.negative_refresh;
  step.probe = age(step.answer.probed, now) > probe_lifetime &&
               age(step.answer.updated, now) > refresh;
  if (!step.probe) return step;
  step.answer.probed = now;
  step.write = step.answer.updated != 0 || rules.negative_cache;
  return step;
}

std::optional<Verification> on_result(const std::optional<Verification>& known,
                                      std::int64_t status, std::string text,
                                      const VerificationRules& rules,
                                      std::int64_t now) {
  Verification result;
  result.status = status;
  result.updated = now;
  result.text = std::move(text);
  if (positive(result)) return result;
  if (known && positive(*known) && !expired(*known, rules, now)) {
    Verification kept = *known;
    kept.probed = 0;
    return kept;
  }
  if (!rules.negative_cache) return std::nullopt;
  return result;
}

}  // namespace postern::access
