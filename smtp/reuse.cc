#include "smtp/reuse.h"

#include <algorithm>

namespace postern::smtp {
namespace {

constexpr Seconds back_to_back(1);
constexpr std::size_t many_destinations = 1000;

}  // namespace

SessionPool::SessionPool(const Settings& settings)
    : settings_(settings), expiry_([this] { expire(); }) {}

bool SessionPool::always(const std::string& destination) const {
  const auto& list = settings_.keep_destinations;
  const std::string name = destination.substr(0, destination.find('\n'));
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool SessionPool::begin(const std::string& destination, std::int64_t backlog) {
  if (demand_.size() > many_destinations) forget_old_demand();
  Demand& demand = demand_[destination];
  const bool follows = demand.seen && demand.backlog > 0 &&
                       Clock::now() - demand.last_end <= back_to_back;
  const bool overlaps = demand.busy > 0;
  demand.keep = follows || (demand.keep && overlaps);
  demand.backlog = std::max<std::int64_t>(backlog, demand.busy);
  ++demand.busy;
  return always(destination) || (settings_.keep_on_demand && demand.keep);
}

void SessionPool::end(const std::string& destination) {
  const auto found = demand_.find(destination);
  if (found == demand_.end()) return;
  --found->second.busy;
  found->second.seen = true;
  found->second.last_end = Clock::now();
}

void SessionPool::forget_old_demand() {
  const Clock::time_point old = Clock::now() - back_to_back;
  std::erase_if(demand_, [&](const auto& entry) {
    return entry.second.busy == 0 && entry.second.last_end < old;
  });
}

std::unique_ptr<Connection> SessionPool::take(const std::string& destination) {
  const auto found = std::find_if(
      idle_.rbegin(), idle_.rend(),
      [&](const Idle& idle) { return idle.destination == destination; });
  if (found == idle_.rend()) return nullptr;
  std::unique_ptr<Connection> one = std::move(found->connection);
  idle_.erase(std::next(found).base());
  return one;
}

void SessionPool::keep(const std::string& destination,
                       std::unique_ptr<Connection> one) {
  idle_.push_back(
      {destination, std::move(one), Clock::now() + settings_.keep_idle});
  if (!expiry_.running()) expiry_.start(settings_.keep_idle);
}

void SessionPool::expire() {
  const Clock::time_point now = Clock::now();
  while (!idle_.empty() && idle_.front().until <= now) {
    dismiss(std::move(idle_.front().connection));
    idle_.pop_front();
  }
  if (idle_.empty()) return;
  const auto wait = std::chrono::ceil<Millis>(idle_.front().until - now);
  expiry_.start(wait);
}

void SessionPool::dismiss(std::unique_ptr<Connection> one) {
  farewells_.start(say_farewell(std::move(one)));
}

Task<void> SessionPool::say_farewell(std::unique_ptr<Connection> one) {
  co_await one->quit();
}

}  // namespace postern::smtp
