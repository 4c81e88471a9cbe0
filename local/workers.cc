#include "local/workers.h"

#include <algorithm>
#include <utility>

namespace postern::local {
namespace {

constexpr Millis idle_time{5'000};
constexpr Millis start_limit{60'000};
constexpr Millis read_limit{60'000};
constexpr Millis place_limit{3'600'000};
// For a slow disk, beyond what locks may take.
constexpr Millis write_limit{600'000};

std::string key_of(const ipc::WorkerRequest& who) {
  return std::to_string(who.uid) + ":" + std::to_string(who.gid) + ":" +
         who.user + ":" + who.purpose + ":" + who.origin + ":" + who.list +
         ":" + who.path;
}

Millis limit_of(const ipc::StoreRequest& what) {
  const auto methods = static_cast<std::int64_t>(what.locks.size()) + 1;
  return write_limit + what.lock_delay * what.lock_attempts * methods;
}

}  // namespace

// Counts from the wait on, and gives the place back whatever ends the
// delivery.
class Workers::Place {
 public:
  explicit Place(Workers& workers) : workers_(workers) {}
  ~Place() {
    if (held_) workers_.give_back();
    std::erase(workers_.waiting_, &granted_);
    if (!held_ && granted_.is_set()) workers_.give_back();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  Task<bool> get() {
    if (workers_.busy_ < workers_.most_) {
      ++workers_.busy_;
      held_ = true;
      co_return true;
    }
    workers_.waiting_.push_back(&granted_);
    held_ = co_await granted_.wait(place_limit);
    co_return held_;
  }

 private:
  Workers& workers_;
  Promised<bool> granted_;
  bool held_ = false;
};

// An empty path is no mailbox, and always free.
class Workers::Turn {
 public:
  Turn(Workers& workers, std::string path)
      : workers_(workers), path_(std::move(path)) {}
  ~Turn() {
    const auto box = workers_.turns_.find(path_);
    if (path_.empty() || box == workers_.turns_.end()) return;
    std::erase(box->second, &granted_);
    if (!held_ && !granted_.is_set()) return;
    if (box->second.empty()) {
      workers_.turns_.erase(box);
      return;
    }
    Promised<bool>* next = box->second.front();
    box->second.pop_front();
    next->set(true);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Task<bool> get() {
    const bool busy = workers_.turns_.contains(path_);
    if (path_.empty() || !busy) {
      if (!path_.empty()) workers_.turns_[path_];
      held_ = true;
      co_return true;
    }
    workers_.turns_[path_].push_back(&granted_);
    held_ = co_await granted_.wait(place_limit);
    co_return held_;
  }

 private:
  Workers& workers_;
  std::string path_;
  Promised<bool> granted_;
  bool held_ = false;
};

Workers::Workers(Service& service, std::int64_t most)
    : service_(service),
      most_(std::max<std::int64_t>(most, 1)),
      timer_([this] { dismiss_idle(); }) {}

Workers::~Workers() = default;

// The place goes to who has waited longest.
void Workers::give_back() {
  if (waiting_.empty()) {
    --busy_;
    return;
  }
  Promised<bool>* next = waiting_.front();
  waiting_.pop_front();
  next->set(true);
}

std::unique_ptr<ipc::Link> Workers::take_idle(const std::string& key) {
  std::unique_ptr<ipc::Link> link;
  for (auto it = idle_.begin(); it != idle_.end() && !link;) {
    if (it->key == key && it->link->open()) link = std::move(it->link);
    it = it->link && it->link->open() ? std::next(it) : idle_.erase(it);
  }
  return link;
}

void Workers::keep(std::string key, std::unique_ptr<ipc::Link> link) {
  if (!link->open()) return;
  idle_.push_back({std::move(key), Clock::now() + idle_time, std::move(link)});
  while (static_cast<std::int64_t>(idle_.size()) > most_) idle_.pop_front();
  if (!timer_.running()) timer_.start(idle_time);
}

void Workers::dismiss_idle() {
  const auto now = Clock::now();
  while (!idle_.empty() && idle_.front().until <= now) idle_.pop_front();
  if (idle_.empty()) return;
  const auto rest =
      std::chrono::duration_cast<Millis>(idle_.front().until - now);
  timer_.start(rest + Millis(1));
}

Task<Result<std::unique_ptr<ipc::Link>>> Workers::obtain(
    ipc::WorkerRequest who) {
  std::unique_ptr<ipc::Link> link = take_idle(key_of(who));
  if (link) co_return std::move(link);
  co_return co_await service_.worker(std::move(who), start_limit);
}

Task<Result<ipc::StoreAnswer>> Workers::store(ipc::WorkerRequest who,
                                              ipc::StoreRequest what) {
  const std::string key = key_of(who);
  Turn turn(*this, who.path.ends_with('/') ? "" : who.path);
  const bool my_turn = co_await turn.get();
  if (!my_turn) co_return try_later("3.2", "too many deliveries at once");
  Place place(*this);
  const bool placed = co_await place.get();
  if (!placed) co_return try_later("3.2", "too many deliveries at once");
  Result<std::unique_ptr<ipc::Link>> link = co_await obtain(std::move(who));
  if (!link) co_return link.trouble();
  ipc::Link* worker = link->get();
  const Millis limit = limit_of(what);
  Result<ipc::StoreAnswer> answer = co_await worker->call(what, limit);
  // A worker that did not answer is not asked again: its link goes here.
  if (!answer) co_return answer.trouble();
  keep(key, std::move(*link));
  if (answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(*answer);
}

Task<Result<ipc::ListAnswer>> Workers::list(ipc::WorkerRequest who,
                                            ipc::ListRequest what) {
  const std::string key = key_of(who);
  Place place(*this);
  const bool placed = co_await place.get();
  if (!placed) co_return try_later("3.2", "too many deliveries at once");
  Result<std::unique_ptr<ipc::Link>> link = co_await obtain(std::move(who));
  if (!link) co_return link.trouble();
  ipc::Link* worker = link->get();
  Result<ipc::ListAnswer> answer = co_await worker->call(what, read_limit);
  if (!answer) co_return answer.trouble();
  keep(key, std::move(*link));
  if (answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(*answer);
}

Task<Result<ipc::RunAnswer>> Workers::run(ipc::WorkerRequest who,
                                          ipc::RunRequest what, Millis limit) {
  Place place(*this);
  const bool placed = co_await place.get();
  if (!placed) co_return try_later("3.2", "too many deliveries at once");
  Result<std::unique_ptr<ipc::Link>> link =
      co_await service_.worker(std::move(who), start_limit);
  if (!link) co_return link.trouble();
  ipc::Link* runner = link->get();
  co_return co_await runner->call(what, limit);
}

}  // namespace postern::local
