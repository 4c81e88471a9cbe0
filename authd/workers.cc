#include "authd/workers.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>

#include "common/base/panic.h"

namespace postern::authd {
namespace {

// Mail goes first where processors are short.
constexpr int niceness = 10;

}  // namespace

Workers::Workers(const Limits& limits)
    : limits_(limits), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  require(wakeup_.valid(), "no eventfd");
  watch_ = std::make_unique<Watch>(wakeup_.get(), Watch::read, false,
                                   [this](short) { collect(); });
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  for (std::thread& each : threads_) each.join();
}

std::size_t Workers::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool Workers::post(std::shared_ptr<Work> work) {
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    // What nobody waits for any more makes room.
    if (waiting_.size() >= limits_.queue)
      std::erase_if(waiting_, [this](const std::shared_ptr<Work>& each) {
        if (each->abandoned) gone(each->client);
        return each->abandoned.load();
      });
    const auto own = of_client_.find(work->client);
    if (waiting_.size() >= limits_.queue ||
        (!work->client.empty() && own != of_client_.end() &&
         own->second >= limits_.of_client))
      return false;
    ++of_client_[work->client];
    waiting_.push_back(std::move(work));
    start = idle_ < waiting_.size() && threads_.size() < limits_.threads;
  }
  if (start) {
    // Signals are the loop's.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    threads_.emplace_back([this] { this->work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  more_.notify_one();
  return true;
}

void Workers::gone(const std::string& client) {
  const auto own = of_client_.find(client);
  if (--own->second == 0) of_client_.erase(own);
}

void Workers::work() {
  // Of this thread alone, on Linux. Not vital: a refusal changes nothing.
  ::setpriority(PRIO_PROCESS, 0, niceness);
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    more_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    --idle_;
    if (ending_) return;
    std::shared_ptr<Work> work = std::move(waiting_.front());
    waiting_.pop_front();
    gone(work->client);
    if (work->abandoned) continue;
    lock.unlock();
    work->run();
    lock.lock();
    done_.push_back(std::move(work));
    ::eventfd_write(wakeup_.get(), 1);
  }
}

void Workers::collect() {
  eventfd_t count = 0;
  ::eventfd_read(wakeup_.get(), &count);
  std::vector<std::shared_ptr<Work>> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const std::shared_ptr<Work>& work : done) work->report();
}

}  // namespace postern::authd
