// Task<T>: a coroutine that gives a T, or an exception, to whom awaits it.
// Nursery: owns tasks that nobody awaits.
//
// A task is lazy: it starts when it is awaited or given to a nursery. A child
// that finishes at once lets its caller run on; one that finishes later puts
// its caller on the loop's ready list. Destroying a task cancels it.
#pragma once

#include <coroutine>
#include <exception>
#include <list>
#include <optional>
#include <utility>

#include "common/base/panic.h"
#include "common/loop/loop.h"

namespace postern {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  Item* on_done = nullptr;  // runs when the coroutine has ended
  std::exception_ptr error;

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> handle) const noexcept {
      if (Item* item = handle.promise().on_done) Loop::current().ready(*item);
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() { error = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& given) {
    value.emplace(std::forward<U>(given));
  }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() {
    if (error) std::rethrow_exception(error);
  }
};

// Resumes a suspended coroutine from the ready list.
class Resume final : public Item {
 public:
  std::coroutine_handle<> handle;
  void run() override { handle.resume(); }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(Handle child) : child_(child) {}
    ~Awaiter() {
      if (child_) child_.promise().on_done = nullptr;
    }
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> caller) {
      child_.resume();
      if (child_.done()) return false;
      resume_.handle = caller;
      child_.promise().on_done = &resume_;
      return true;
    }
    T await_resume() {
      const Handle child = std::exchange(child_, {});
      return child.promise().take();
    }

   private:
    Handle child_;
    detail::Resume resume_;
  };

  Awaiter operator co_await() & { return Awaiter(handle_); }
  Awaiter operator co_await() && { return Awaiter(handle_); }

 private:
  friend class Nursery;
  Handle handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace detail

// Holds tasks until they end. Destroying the nursery cancels what still runs.
// A task that ends with an exception is a bug: the root of a conversation
// catches Hangup itself.
class Nursery {
 public:
  Nursery() = default;
  Nursery(const Nursery&) = delete;
  Nursery& operator=(const Nursery&) = delete;

  void start(Task<void> task) {
    entries_.emplace_back(*this, std::move(task));
    Entry& entry = entries_.back();
    entry.self = std::prev(entries_.end());
    entry.task.handle_.promise().on_done = &entry;
    entry.task.handle_.resume();
  }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  // Called each time the last task has ended.
  void when_empty(std::function<void()> callback) {
    when_empty_ = std::move(callback);
  }

 private:
  struct Entry final : Item {
    Entry(Nursery& owner, Task<void> started)
        : nursery(owner), task(std::move(started)) {}
    void run() override {
      task.handle_.promise().take();  // an exception here ends the process
      Nursery& owner = nursery;
      owner.entries_.erase(self);  // *this is gone
      if (owner.entries_.empty() && owner.when_empty_) owner.when_empty_();
    }
    Nursery& nursery;
    Task<void> task;
    std::list<Entry>::iterator self;
  };
  std::list<Entry> entries_;
  std::function<void()> when_empty_;
};

// co_await pause(…): lets time pass.
class Pause {
 public:
  explicit Pause(Millis delay)
      : delay_(delay), timer_([this] { Loop::current().ready(resume_); }) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    resume_.handle = caller;
    timer_.start(delay_);
  }
  void await_resume() const noexcept {}

 private:
  Millis delay_;
  detail::Resume resume_;
  Timer timer_;
};
inline Pause pause(Millis delay) { return Pause(delay); }

// A one-shot value that one coroutine awaits and somebody else sets. Must
// outlive the wait. wait() gives false when `limit` has passed first.
template <class T>
class Promised {
 public:
  void set(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    if (waiter_ != nullptr) Loop::current().ready(waiter_->resume_);
  }
  bool is_set() const { return value_.has_value(); }
  T take() { return std::move(*value_); }

  class Wait {
   public:
    Wait(Promised& owner, Millis limit) : owner_(owner), limit_(limit) {}
    ~Wait() {
      if (owner_.waiter_ == this) owner_.waiter_ = nullptr;
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return owner_.is_set(); }
    void await_suspend(std::coroutine_handle<> caller) {
      resume_.handle = caller;
      owner_.waiter_ = this;
      timer_.emplace([this] { Loop::current().ready(resume_); });
      timer_->start(limit_);
    }
    bool await_resume() const noexcept { return owner_.is_set(); }

   private:
    friend class Promised;
    Promised& owner_;
    Millis limit_;
    detail::Resume resume_;
    std::optional<Timer> timer_;
  };
  Wait wait(Millis limit) { return Wait(*this, limit); }

 private:
  std::optional<T> value_;
  Wait* waiter_ = nullptr;
};

}  // namespace postern
