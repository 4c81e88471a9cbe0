// A call into OpenSSL that can be left in the middle.
//
// OpenSSL asks for a signature in the depth of SSL_do_handshake and wants the
// answer as a return value; ours comes over a link, later. So the call runs on
// a stack of its own, and whoever needs an answer there leaves that stack with
// ask() until a coroutine has done the errand. The library's own jobs
// (ASYNC_start_job) do the same on 32 KiB of heap; these stacks have a guard
// page, which matters where strangers' certificates are parsed.
//
// One thread only. While a call is left, other connections may use OpenSSL.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/loop/task.h"

namespace postern::tls {

// What has to be done before the call can go on.
class Errand {
 public:
  virtual ~Errand() = default;
  virtual Task<void> run() = 0;
};

class Fiber {
 public:
  // `body` must not throw.
  explicit Fiber(std::function<void()> body);
  // Errands are refused from here on, and the body runs to its end.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the body from its start, or from where it was left. Null: it has
  // ended. Else the errand to do before the next call; it lives on the
  // fiber's stack.
  Errand* go_on();

  // Inside a body: leaves until the errand is done. False: it was not done,
  // since the call is being given up, or there is no fiber around.
  static bool ask(Errand& errand);

 private:
  struct Stack;
  static std::vector<std::unique_ptr<Stack>>& idle_stacks();
  static void start();
  void enter();
  void leave();

  std::function<void()> body_;
  std::unique_ptr<Stack> stack_;
  Errand* errand_ = nullptr;
  bool started_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
};

}  // namespace postern::tls
