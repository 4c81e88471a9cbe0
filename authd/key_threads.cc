#include "authd/key_threads.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "common/base/panic.h"

namespace postern::authd {

KeyThreads::KeyThreads()
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watch_(event_.get(), Watch::read, false, [this](short) { notice(); }) {
  require(event_.valid(), "no event descriptor");
}

KeyThreads::~KeyThreads() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  some_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void KeyThreads::start(unsigned threads) {
  // Signals are the loop's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  while (threads_.size() < threads)
    threads_.emplace_back([this] { serve(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::shared_ptr<KeyThreads::Work> KeyThreads::begin(
    std::function<void()> body) {
  auto work = std::make_shared<Work>();
  work->body = std::move(body);
  if (threads_.empty()) {
    work->body();
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

void KeyThreads::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    some_.wait(lock, [this] { return stopping_ || !todo_.empty(); });
    if (stopping_) return;
    std::shared_ptr<Work> work = std::move(todo_.front());
    todo_.pop_front();
    lock.unlock();
    work->body();
    lock.lock();
    const bool first = finished_.empty();
    finished_.push_back(std::move(work));
    if (first) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t told =
          ::write(event_.get(), &one, sizeof one);
    }
  }
}

void KeyThreads::notice() {
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

}  // namespace postern::authd
