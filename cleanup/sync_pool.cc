#include "cleanup/sync_pool.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "common/base/panic.h"

namespace postern::cleanup {

SyncPool::SyncPool()
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watch_(event_.get(), Watch::read, false, [this](short) { notice(); }) {
  require(event_.valid(), "no event descriptor");
  watch_.enable();
}

SyncPool::~SyncPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  some_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SyncPool::start(unsigned threads) {
  // Signals are the loop's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  while (threads_.size() < threads)
    threads_.emplace_back([this] { serve(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::shared_ptr<SyncPool::Work> SyncPool::begin(
    std::unique_ptr<queue::Draft> draft) {
  auto work = std::make_shared<Work>();
  work->draft = std::move(draft);
  if (threads_.empty()) {
    work->status = work->draft->sync();
    work->done.set(true);
    return work;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    todo_.push_back(work);
  }
  some_.notify_one();
  return work;
}

void SyncPool::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    some_.wait(lock, [this] { return stopping_ || !todo_.empty(); });
    if (stopping_) return;
    std::shared_ptr<Work> work = std::move(todo_.front());
    todo_.pop_front();
    lock.unlock();
    Status status = work->draft->sync();
    lock.lock();
    work->status = std::move(status);
    const bool first = finished_.empty();
    finished_.push_back(std::move(work));
    if (first) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t told =
          ::write(event_.get(), &one, sizeof one);
    }
  }
}

void SyncPool::notice() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken =
      ::read(event_.get(), &count, sizeof count);
  std::vector<std::shared_ptr<Work>> finished;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    finished.swap(finished_);
  }
  for (const std::shared_ptr<Work>& work : finished) work->done.set(true);
}

}  // namespace postern::cleanup
