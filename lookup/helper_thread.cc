#include "lookup/helper_thread.h"

#include <sys/eventfd.h>

#include "common/base/panic.h"

namespace postern::lookup {

HelperThread::HelperThread(std::size_t most)
    : most_(most), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  require(wakeup_.valid(), "no eventfd");
  watch_ = std::make_unique<Watch>(wakeup_.get(), Watch::read, false,
                                   [this](short) { collect(); });
}

HelperThread::~HelperThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t HelperThread::waiting() {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

std::size_t HelperThread::running() {
  const std::lock_guard lock(mutex_);
  return running_;
}

void HelperThread::post(Work work) {
  bool all_busy = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
    all_busy = running_ + waiting_.size() > threads_.size();
  }
  more_.notify_one();
  if (all_busy && threads_.size() < most_)
    threads_.emplace_back([this] { this->work(); });
}

void HelperThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
    lock.unlock();
    work.run();
    lock.lock();
    --running_;
    done_.push_back(std::move(work));
    ::eventfd_write(wakeup_.get(), 1);
  }
}

void HelperThread::collect() {
  eventfd_t count = 0;
  ::eventfd_read(wakeup_.get(), &count);
  std::vector<Work> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const Work& work : done) work.report();
}

}  // namespace postern::lookup
