#include "smtp/login_cache.h"

namespace postern::smtp {
namespace {

constexpr std::size_t most_entries = 10'000;

}  // namespace

std::optional<LoginCache::Refusal> LoginCache::find(
    const std::string& host, const std::string& who,
    Clock::time_point now) const {
  const auto found = entries_.find({host, who});
  if (found == entries_.end() || found->second.until <= now)
    return std::nullopt;
  return found->second.refusal;
}

void LoginCache::keep(const std::string& host, const std::string& who,
                      Refusal refusal, Clock::time_point until) {
  if (entries_.size() >= most_entries) entries_.clear();
  entries_[{host, who}] = {std::move(refusal), until};
}

}  // namespace postern::smtp
