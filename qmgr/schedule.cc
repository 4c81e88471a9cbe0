#include "qmgr/schedule.h"

#include <algorithm>

#include "common/mail/address.h"

namespace postern::qmgr {

std::string Transport::destination_key(const std::string& nexthop,
                                       const std::string& address) const {
  if (rules.recipient_limit != 1) return nexthop;
  const std::string_view local = mail::split_address(address).local;
  const auto cut = mail::split_extension(local, {rules.delimiters});
  return std::string(cut ? cut->base : local) + "@" + nexthop;
}

void Transport::add(const std::string& key, Entry entry, std::int64_t now) {
  Destination* destination = find(key);
  if (destination == nullptr) {
    destinations_.emplace_back(key, rules.concurrency);
    by_key_[key] = std::prev(destinations_.end());
    destination = &destinations_.back();
  }
  if (destination->suspended && destination->not_before <= now) {
    destination->suspended = false;
    destination->window.revive(rules.concurrency);
  }
  destination->waiting.push_back(std::move(entry));
}

bool Transport::may_go(const Destination& d, std::int64_t now) const {
  if (d.waiting.empty() || d.not_before > now || d.busy >= d.window.size())
    return false;
  if (rules.rate_delay > 0 && d.busy > 0) return false;
  return std::find(d.on_the_way.begin(), d.on_the_way.end(),
                   d.waiting.front().message.get()) == d.on_the_way.end();
}

std::optional<std::pair<Destination*, Entry>> Transport::next(
    std::int64_t now) {
  if (busy >= rules.process_limit || not_before > now) return std::nullopt;
  for (auto it = destinations_.begin(); it != destinations_.end(); ++it) {
    if (!may_go(*it, now)) continue;
    Entry entry = std::move(it->waiting.front());
    it->waiting.pop_front();
    ++it->busy;
    ++busy;
    if (rules.recipient_limit == 1)
      it->on_the_way.push_back(entry.message.get());
    // To the end of the line: the others have their turn first.
    destinations_.splice(destinations_.end(), destinations_, it);
    return std::pair<Destination*, Entry>(&*it, std::move(entry));
  }
  return std::nullopt;
}

void Transport::finished(Destination& destination, const Message* message,
                         std::int64_t now) {
  --destination.busy;
  --busy;
  std::vector<const Message*>& going = destination.on_the_way;
  const auto found = std::find(going.begin(), going.end(), message);
  if (found != going.end()) going.erase(found);
  if (rules.rate_delay > 0 && !destination.suspended)
    destination.not_before = now + rules.rate_delay;
}

std::deque<Entry> Transport::take_waiting(Destination& destination) {
  return std::exchange(destination.waiting, {});
}

void Transport::put_back(Destination& destination, Entry entry) {
  destination.waiting.push_front(std::move(entry));
}

Destination* Transport::find(const std::string& key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

void Transport::tidy(std::int64_t now) {
  for (auto it = destinations_.begin(); it != destinations_.end();) {
    if (it->busy == 0 && it->waiting.empty() && it->not_before <= now) {
      by_key_.erase(it->key);
      it = destinations_.erase(it);
    } else {
      ++it;
    }
  }
}

void Transport::revive_all() {
  not_before = 0;
  for (Destination& d : destinations_) {
    d.not_before = 0;
    d.suspended = false;
    d.window.revive(rules.concurrency);
  }
}

std::optional<std::int64_t> Transport::next_wakeup(std::int64_t now) const {
  std::optional<std::int64_t> out;
  for (const Destination& d : destinations_) {
    if (d.waiting.empty()) continue;
    const std::int64_t when = std::max(d.not_before, not_before);
    if (when > now) out = out ? std::min(*out, when) : when;
  }
  return out;
}

}  // namespace postern::qmgr
