// Threads for calls that may block: the C library's user database, which may
// ask a server over the network, and tables that others answer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::lookup {

class HelperThread {
 public:
  // Up to `most` threads. They start when there is work for them: after the
  // process was confined, since a thread that exists then would stay free.
  // Waits for the jobs that run when it goes.
  explicit HelperThread(std::size_t most = 1);
  ~HelperThread();
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  // Runs `call` in a thread, which must use nothing but what it holds. A job
  // that goes before its call is done leaves the result to nobody; one that
  // goes before its call has begun is not run at all.
  template <class T>
  class Job {
   public:
    Job(HelperThread& helper, std::function<T()> call)
        : shared_(std::make_shared<Shared>()) {
      shared_->job = this;
      auto run = [shared = shared_, call = std::move(call)] {
        if (!shared->unwanted) shared->result.emplace(call());
      };
      auto report = [shared = shared_] {
        if (shared->job != nullptr && shared->result)
          shared->job->done_.set(std::move(*shared->result));
      };
      helper.post({std::move(run), std::move(report)});
    }
    ~Job() {
      shared_->job = nullptr;
      shared_->unwanted = true;
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    // co_await; false when `limit` has passed.
    typename Promised<T>::Wait wait(Millis limit) { return done_.wait(limit); }
    T take() { return done_.take(); }

   private:
    // `job` is used by the loop's thread only, `result` by one at a time.
    struct Shared {
      Job* job = nullptr;
      std::atomic<bool> unwanted = false;
      std::optional<T> result;
    };
    std::shared_ptr<Shared> shared_;
    Promised<T> done_;
  };

  // Runs `call` in a thread; nobody waits for it.
  void run(std::function<void()> call) { post({std::move(call), [] {}}); }

  // Jobs that no thread has taken yet, and those that threads are at.
  std::size_t waiting();
  std::size_t running();

 private:
  struct Work {
    std::function<void()> run;     // in a thread
    std::function<void()> report;  // in the loop
  };
  void post(Work work);
  void work();
  void collect();

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Work> waiting_;
  std::vector<Work> done_;
  bool ending_ = false;
  std::size_t most_;
  std::size_t running_ = 0;
  Fd wakeup_;  // an eventfd
  std::unique_ptr<Watch> watch_;
  std::vector<std::thread> threads_;
};

}  // namespace postern::lookup
