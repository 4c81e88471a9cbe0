// Threads that wait for the disk, so that the loop does not. Messages that are
// synced at the same time share the file system's journal commit.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"
#include "common/queue/spool.h"

namespace postern::cleanup {

class SyncPool {
 public:
  // A finished draft on its way to the disk. The pool owns the draft until
  // `done` is set, whoever has lost patience meanwhile.
  struct Work {
    std::unique_ptr<queue::Draft> draft;
    Status status;
    Promised<bool> done;
  };

  SyncPool();
  ~SyncPool();
  SyncPool(const SyncPool&) = delete;
  SyncPool& operator=(const SyncPool&) = delete;

  // Starts the threads: after the process was locked. Until then begin() syncs
  // at once.
  void start(unsigned threads);

  std::shared_ptr<Work> begin(std::unique_ptr<queue::Draft> draft);

 private:
  void serve();   // a thread
  void notice();  // the loop, when threads have finished works

  std::mutex mutex_;
  std::condition_variable some_;
  bool stopping_ = false;
  std::deque<std::shared_ptr<Work>> todo_;
  std::vector<std::shared_ptr<Work>> finished_;
  Fd event_;
  Watch watch_;
  std::vector<std::thread> threads_;
};

}  // namespace postern::cleanup
