#include "qmgr/schedule.h"

#include <algorithm>
#include <tuple>

#include "common/mail/address.h"

namespace postern::qmgr {

// What one message has for one transport.
struct Job {
  const Message* message = nullptr;
  Rank rank;
  std::uint64_t order = 0;
  std::int64_t since = 0;
  JobProgress progress;
  std::size_t unread = 0;  // recipients that are not sorted yet
  std::vector<Destination*> destinations;  // that have entries of it

  // At most so many entries are left.
  std::size_t most_entries() const { return progress.waiting + unread; }
};

namespace {

// Where many candidates are blocked, the search ends: it happens at each
// selection.
constexpr int most_candidates = 50;

}  // namespace

Transport::Transport(std::string its_name, TransportRules its_rules)
    : name(std::move(its_name)), rules(std::move(its_rules)) {}

Transport::~Transport() = default;

std::string Transport::destination_key(const std::string& nexthop,
                                       const std::string& address) const {
  if (rules.recipient_limit != 1) return nexthop;
  const std::string_view local = mail::split_address(address).local;
  const auto cut = mail::split_extension(local, {rules.delimiters});
  return std::string(cut ? cut->base : local) + "@" + nexthop;
}

bool Transport::has_room(const Destination& d) const {
  if (d.busy >= d.window.size()) return false;
  if (rules.rate_delay > 0 && d.busy > 0) return false;
  return d.on_the_way_.empty() ||
         std::find(d.on_the_way_.begin(), d.on_the_way_.end(),
                   d.peers_.begin()->second.job->message) ==
             d.on_the_way_.end();
}

// Puts a destination where its state says; unlist() came before the change.
void Transport::list(Destination& d) {
  if (d.waiting_ == 0) return;
  if (d.not_before > 0) {
    d.sleeping_until_ = d.not_before;
    sleeping_.emplace(d.not_before, &d);
  } else if (has_room(d)) {
    d.ready_as_.emplace(d.peers_.begin()->first, d.turn_);
    ready_.emplace(*d.ready_as_, &d);
  }
}

void Transport::unlist(Destination& d) {
  if (d.ready_as_) ready_.erase({*d.ready_as_, &d});
  if (d.sleeping_until_) sleeping_.erase({*d.sleeping_until_, &d});
  d.ready_as_.reset();
  d.sleeping_until_.reset();
}

// Those whose pause is over.
void Transport::wake(std::int64_t now) {
  while (!sleeping_.empty() && sleeping_.begin()->first <= now) {
    Destination& d = *sleeping_.begin()->second;
    unlist(d);
    d.not_before = 0;
    if (d.suspended) {
      d.suspended = false;
      d.window.revive(rules.concurrency);
    }
    list(d);
  }
}

Job& Transport::job_of(const Entry& entry, std::uint64_t order,
                       std::int64_t now) {
  Job*& found = by_message_[entry.message.get()];
  if (found != nullptr) return *found;
  auto job = std::make_unique<Job>();
  job->message = entry.message.get();
  job->order = order;
  job->rank = {static_cast<double>(order), order};
  job->since = now;
  found = job.get();
  by_size_.emplace(0, order, found);
  jobs_.emplace(found->rank, std::move(job));
  return *found;
}

// Changes what waits of a job.
void Transport::resize(Job& job, std::ptrdiff_t entries,
                       std::ptrdiff_t unread) {
  by_size_.erase({job.most_entries(), job.order, &job});
  job.progress.waiting += static_cast<std::size_t>(entries);
  job.unread += static_cast<std::size_t>(unread);
  by_size_.emplace(job.most_entries(), job.order, &job);
}

void Transport::drop_if_done(Job& job) {
  if (job.most_entries() > 0) return;
  by_size_.erase({0, job.order, &job});
  by_message_.erase(job.message);
  jobs_.erase(job.rank);
}

void Transport::set_unread(const Message& message, std::size_t recipients) {
  const auto found = by_message_.find(&message);
  if (found == by_message_.end()) return;
  Job& job = *found->second;
  resize(job, 0, static_cast<std::ptrdiff_t>(recipients) -
                     static_cast<std::ptrdiff_t>(job.unread));
  drop_if_done(job);
}

void Transport::put(Destination& d, Entry entry, std::uint64_t order,
                    std::int64_t now, bool in_front) {
  unlist(d);
  if (d.not_before > 0 && d.not_before <= now) {
    d.not_before = 0;
    if (std::exchange(d.suspended, false)) d.window.revive(rules.concurrency);
  }
  Job& job = job_of(entry, order, now);
  resize(job, 1, 0);
  recipients_ += entry.recipients.size();
  Destination::Peer& peer = d.peers_[job.rank];
  if (peer.job == nullptr) {
    peer.job = &job;
    job.destinations.push_back(&d);
  }
  if (in_front)
    peer.entries.push_front(std::move(entry));
  else
    peer.entries.push_back(std::move(entry));
  ++d.waiting_;
  list(d);
}

Destination& Transport::add(const std::string& key, Entry entry,
                            std::uint64_t order, std::int64_t now) {
  Destination* destination = find(key);
  if (destination == nullptr) {
    destinations_.emplace_back(key, rules.concurrency);
    by_key_[key] = std::prev(destinations_.end());
    destination = &destinations_.back();
    destination->turn_ = ++turns_;
  }
  put(*destination, std::move(entry), order, now, false);
  return *destination;
}

void Transport::put_back(Destination& destination, Entry entry,
                         std::uint64_t order, std::int64_t now) {
  put(destination, std::move(entry), order, now, true);
}

bool Transport::ready(const Job& job) const {
  return std::any_of(
      job.destinations.begin(), job.destinations.end(),
      [](const Destination* d) { return d->ready_as_.has_value(); });
}

// The most urgent of the jobs that may go before `current`. Of those with the
// same number of entries that is the oldest.
Job* Transport::candidate(const Job& current, std::int64_t now) const {
  Job* best = nullptr;
  double best_urgency = 0;
  int looked = 0;
  auto it = by_size_.lower_bound({1, 0, nullptr});
  while (it != by_size_.end() && looked++ < most_candidates) {
    const auto& [entries, order, job] = *it;
    if (!may_preempt(rules.preempt, current.progress, entries)) break;
    const bool eligible =
        job != &current && job->rank > current.rank && ready(*job);
    if (!eligible) {
      ++it;
      continue;
    }
    const double value = urgency(now - job->since, entries);
    if (best == nullptr || value > best_urgency) {
      best = job;
      best_urgency = value;
    }
    it = by_size_.lower_bound({entries + 1, 0, nullptr});
  }
  return best;
}

// False: there is no place left between two jobs; it waits for its turn.
bool Transport::move_before(Job& job, const Job& current) {
  const auto here = jobs_.find(current.rank);
  const double below = here == jobs_.begin()
                           ? current.rank.first - 2
                           : std::prev(here)->first.first;
  const double middle = below + (current.rank.first - below) / 2;
  if (middle <= below || middle >= current.rank.first) return false;
  const Rank rank{middle, job.order};
  for (Destination* d : job.destinations) {
    unlist(*d);
    auto peer = d->peers_.extract(job.rank);
    peer.key() = rank;
    d->peers_.insert(std::move(peer));
    list(*d);
  }
  auto node = jobs_.extract(job.rank);
  node.key() = rank;
  jobs_.insert(std::move(node));
  job.rank = rank;
  return true;
}

void Transport::detach(Job& job, Destination& d) {
  std::erase(job.destinations, &d);
}

std::optional<std::pair<Destination*, Entry>> Transport::next(
    std::int64_t now) {
  if (busy >= rules.process_limit || not_before > now) return std::nullopt;
  if (rules.transport_rate_delay > 0 && busy > 0) return std::nullopt;
  wake(now);
  if (ready_.empty()) return std::nullopt;
  Job* job = ready_.begin()->second->peers_.begin()->second.job;
  if (worth_preempting(rules.preempt, job->progress)) {
    Job* other = candidate(*job, now);
    if (other != nullptr &&
        may_preempt_now(rules.preempt, job->progress, other->most_entries()) &&
        move_before(*other, *job))
      job->progress.used += other->most_entries();
  }
  Destination& d = *ready_.begin()->second;
  unlist(d);
  const auto first = d.peers_.begin();
  Job& chosen = *first->second.job;
  Entry entry = std::move(first->second.entries.front());
  first->second.entries.pop_front();
  if (first->second.entries.empty()) {
    d.peers_.erase(first);
    detach(chosen, d);
  }
  --d.waiting_;
  ++d.busy;
  ++busy;
  d.turn_ = ++turns_;
  if (rules.recipient_limit == 1) d.on_the_way_.push_back(chosen.message);
  ++chosen.progress.selected;
  list(d);
  resize(chosen, -1, 0);
  drop_if_done(chosen);
  return std::pair<Destination*, Entry>(&d, std::move(entry));
}

void Transport::finished(Destination& d, const Message* message,
                         std::int64_t now, std::size_t recipients) {
  recipients_ -= recipients;
  unlist(d);
  const auto going =
      std::find(d.on_the_way_.begin(), d.on_the_way_.end(), message);
  if (going != d.on_the_way_.end()) d.on_the_way_.erase(going);
  --d.busy;
  --busy;
  if (rules.rate_delay > 0 && !d.suspended) d.not_before = now + rules.rate_delay;
  if (rules.transport_rate_delay > 0)
    not_before = std::max(not_before, now + rules.transport_rate_delay);
  list(d);
}

void Transport::suspend(Destination& d, std::int64_t until) {
  unlist(d);
  d.suspended = true;
  d.not_before = until;
  list(d);
}

std::deque<Entry> Transport::take_waiting(Destination& d) {
  std::deque<Entry> out;
  unlist(d);
  for (auto& [rank, peer] : d.peers_) {
    detach(*peer.job, d);
    resize(*peer.job, -static_cast<std::ptrdiff_t>(peer.entries.size()), 0);
    drop_if_done(*peer.job);
    for (Entry& entry : peer.entries) {
      recipients_ -= entry.recipients.size();
      out.push_back(std::move(entry));
    }
  }
  d.peers_.clear();
  d.waiting_ = 0;
  return out;
}

Destination* Transport::find(const std::string& key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

void Transport::tidy(std::int64_t now, bool all) {
  for (auto it = destinations_.begin(); it != destinations_.end();) {
    if (it->busy == 0 && it->waiting_ == 0 &&
        (all || it->not_before <= now)) {
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
    unlist(d);
    d.not_before = 0;
    d.suspended = false;
    d.window.revive(rules.concurrency);
    list(d);
  }
}

std::optional<std::int64_t> Transport::next_wakeup(std::int64_t now) const {
  if (not_before > now && (!ready_.empty() || !sleeping_.empty()))
    return sleeping_.empty() || !ready_.empty()
               ? not_before
               : std::max(not_before, sleeping_.begin()->first);
  if (sleeping_.empty()) return std::nullopt;
  return sleeping_.begin()->first;
}

}  // namespace postern::qmgr
