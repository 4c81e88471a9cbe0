// Threads that compute signatures, so that the loop stays free for questions
// that need none, and handshakes use more than one processor.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::authd {

class KeyThreads {
 public:
  // Whoever asked may lose patience; the work keeps what it needs alive.
  struct Work {
    std::function<void()> body;
    Promised<bool> done;
  };

  KeyThreads();
  ~KeyThreads();
  KeyThreads(const KeyThreads&) = delete;
  KeyThreads& operator=(const KeyThreads&) = delete;

  // After the process was locked. Until then begin() works at once.
  void start(unsigned threads);

  std::shared_ptr<Work> begin(std::function<void()> body);

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

}  // namespace postern::authd
