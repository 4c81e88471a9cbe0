#include "common/config/values.h"

#include <fmt/core.h>

#include "common/base/text.h"

namespace postern::config {
namespace {

Trouble trouble(std::string text) { return give_up("3.5", std::move(text)); }

// Of one unit; 0 for a letter that is none.
std::int64_t seconds_of(char unit) {
  switch (unit) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return 86400;
    case 'w': return 604800;
    default: return 0;
  }
}

Status within(const Row& row, std::int64_t value) {
  if (value < row.least)
    return trouble(fmt::format("invalid {} parameter value {} < {}", row.name,
                               value, row.least));
  if (value > row.most)
    return trouble(fmt::format("invalid {} parameter value {} > {}", row.name,
                               value, row.most));
  return {};
}

}  // namespace

std::optional<bool> parse_boolean(std::string_view text) {
  if (equal_nocase(text, "yes")) return true;
  if (equal_nocase(text, "no")) return false;
  return std::nullopt;
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text,
                                                   char unit) {
  // The first letter counts: "${NAME}h", as initial values are written, is
  // "5mh" when NAME has a unit of its own.
  while (!text.empty() && is_alpha(text.back())) {
    unit = lower(text.back());
    text.remove_suffix(1);
  }
  std::optional<std::int64_t> number = parse_number(text);
  std::int64_t factor = seconds_of(unit);
  std::int64_t seconds = 0;
  if (!number || *number < 0 || factor == 0 ||
      __builtin_mul_overflow(*number, factor, &seconds))
    return std::nullopt;
  return std::chrono::seconds(seconds);
}

Status fits(const Row& row, std::string_view value) {
  switch (row.kind) {
    case Kind::boolean:
      if (!parse_boolean(value))
        return trouble(fmt::format("bad boolean configuration: {} = {}",
                                   row.name, value));
      return {};
    case Kind::integer: {
      std::optional<std::int64_t> number = parse_number(value);
      if (!number)
        return trouble(fmt::format("bad numerical configuration: {} = {}",
                                   row.name, value));
      return within(row, *number);
    }
    case Kind::duration: {
      auto time = parse_duration(value, default_unit(row.initial));
      if (!time)
        return trouble(
            fmt::format("parameter {}: bad time value or unit: {}", row.name,
                        value));
      return within(row, time->count());
    }
    default: return {};
  }
}

}  // namespace postern::config
