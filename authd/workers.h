// Threads for what is slow: password hashes on purpose, the user store, the
// Cyrus library. Few of them, at low priority, with a queue that ends: a flood
// of log-ins makes log-ins slow and then fail for now; mail goes on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::authd {

class Workers {
 public:
  struct Limits {
    unsigned threads = 2;
    std::size_t queue = 200;      // jobs that wait, of everybody
    std::size_t of_client = 20;   // and of one network
  };
  // Threads start with the first jobs: after the process was confined.
  explicit Workers(const Limits& limits);
  // Waits for the jobs that run; those that wait are dropped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs `call` in a thread. The call must own what it uses: a job that goes
  // first leaves the result to nobody, and takes it out of the queue where it
  // still waits.
  template <class T>
  class Job {
   public:
    // `client`: whose job it is, for the limit of one client.
    Job(Workers& workers, const std::string& client, std::function<T()> call)
        : shared_(std::make_shared<Shared>()) {
      shared_->job = this;
      shared_->client = client;
      shared_->run = [shared = shared_.get(), call = std::move(call)] {
        shared->result.emplace(call());
      };
      shared_->report = [shared = shared_.get()] {
        auto* job = static_cast<Job*>(shared->job);
        if (job != nullptr) job->done_.set(std::move(*shared->result));
      };
      accepted_ = workers.post(shared_);
    }
    ~Job() {
      shared_->job = nullptr;
      shared_->abandoned = true;
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    // False: the queue is full, and nothing will come.
    bool accepted() const { return accepted_; }
    // co_await; false when `limit` has passed.
    typename Promised<T>::Wait wait(Millis limit) { return done_.wait(limit); }
    T take() { return done_.take(); }

   private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    bool accepted_ = false;
    Promised<T> done_;
  };

  std::size_t waiting() const;

 private:
  struct Work {
    virtual ~Work() = default;
    void* job = nullptr;  // the loop's thread only
    std::atomic<bool> abandoned{false};
    std::string client;
    std::function<void()> run;     // in a thread
    std::function<void()> report;  // in the loop
  };
  bool post(std::shared_ptr<Work> work);
  void work();
  void gone(const std::string& client);  // one less waits
  void collect();

  Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::shared_ptr<Work>> waiting_;
  std::unordered_map<std::string, std::size_t> of_client_;
  std::vector<std::shared_ptr<Work>> done_;
  std::size_t idle_ = 0;
  bool ending_ = false;
  Fd wakeup_;  // an eventfd
  std::unique_ptr<Watch> watch_;
  std::vector<std::thread> threads_;
};

template <class T>
struct Workers::Job<T>::Shared : Workers::Work {
  std::optional<T> result;
};

}  // namespace postern::authd
