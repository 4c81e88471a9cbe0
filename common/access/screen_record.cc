#include "common/access/screen_record.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::access {

std::optional<Record> Record::from_line(std::string_view line) {
  const std::vector<std::string> words = split(line, ';');
  if (words.size() != trial_count) return std::nullopt;
  Record record;
  for (std::size_t i = 0; i < trial_count; ++i) {
    const auto number = parse_number(words[i]);
    if (!number || *number < 0) return std::nullopt;
    record.until[i] = *number;
  }
  return record;
}

std::string Record::line() const {
  std::string text;
  for (const std::int64_t end : until) {
    if (!text.empty()) text += ';';
    text += std::to_string(end);
  }
  return text;
}

bool Record::is_new() const {
  return std::all_of(until.begin(), until.end(),
                     [](std::int64_t end) { return end == 0; });
}

void Record::pass_all(std::int64_t end) {
  for (std::int64_t& each : until) each = std::max(each, end);
}

Trials Record::due(const Trials& enabled, std::int64_t now) const {
  Trials due;
  for (std::size_t i = 0; i < trial_count; ++i) {
    const auto trial = static_cast<Trial>(i);
    if (enabled.has(trial) && until[i] <= now) due.set(trial);
  }
  return due;
}

bool Record::is_stale(std::int64_t now, std::int64_t retention) const {
  return std::all_of(until.begin(), until.end(), [&](std::int64_t end) {
    return end <= now && now - end > retention;
  });
}

std::int64_t dnsbl_lifetime(std::optional<std::int64_t> ttl,
                            std::int64_t least, std::int64_t most) {
  return std::max(least, std::min(ttl.value_or(most), most));
}

}  // namespace postern::access
