// The event loop: libevent under a ready list.
//
// Coroutine frames are resumed from the ready list only, so no frame ever dies
// below a running one (docs/house.md, the coroutine dialect). Everything that
// can be queued is an Item; an Item that dies leaves the list by itself, which
// is how cancelling works.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

struct event;
struct event_base;

namespace postern {

using Seconds = std::chrono::seconds;
using Millis = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Something to run once from the loop. Not copyable, not movable: the list
// points at it.
class Item {
 public:
  Item() = default;
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;
  virtual ~Item() { unlink(); }
  virtual void run() = 0;
  bool queued() const { return next_ != nullptr; }
  void unlink();

 private:
  friend class ItemList;
  Item* next_ = nullptr;
  Item* previous_ = nullptr;
};

// First in, first out.
class ItemList {
 public:
  ItemList();
  ~ItemList();
  ItemList(const ItemList&) = delete;
  ItemList& operator=(const ItemList&) = delete;
  void push(Item& item);  // moves it to the end where it is in a list already
  Item* pop();            // nullptr when empty
  bool empty() const;

 private:
  struct Head;
  std::unique_ptr<Head> head_;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The loop of this thread. Exactly one exists while a service runs.
  static Loop& current();

  // Runs until stop() was called and the ready list is empty.
  void run();
  // Runs what is ready and what becomes ready until `done` says true. For
  // tests and tools.
  void run_until(const std::function<bool()>& done);
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // Runs after everything that is ready now.
  void ready(Item& item) { ready_.push(item); }
  // Runs once when this turn's ready items are done, before waiting: where
  // output that was gathered during the turn is written.
  void at_turn_end(Item& item) { turn_end_.push(item); }

  event_base* base() const { return base_; }

 private:
  void turn();

  event_base* base_ = nullptr;
  ItemList ready_;
  ItemList turn_end_;
  bool stopped_ = false;
};

// Calls back after a delay; starting it again replaces the delay.
class Timer {
 public:
  explicit Timer(std::function<void()> expired);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void start(Millis delay);
  void stop();
  bool running() const { return running_; }

 private:
  std::function<void()> expired_;
  event* event_ = nullptr;
  bool running_ = false;
};

// Calls back whenever the descriptor becomes readable (`what` read), writable
// (write) or both. Level-triggered unless `edge`. The descriptor is not owned
// and must outlive the watch.
class Watch {
 public:
  enum What : short { read = 0x02, write = 0x04 };
  Watch(int fd, short what, bool edge, std::function<void(short)> happened);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  void enable();
  void disable();

 private:
  std::function<void(short)> happened_;
  event* event_ = nullptr;
  bool enabled_ = false;
};

// Calls back for a signal, from the loop.
class SignalWatch {
 public:
  SignalWatch(int signal_number, std::function<void()> happened);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  std::function<void()> happened_;
  event* event_ = nullptr;
};

}  // namespace postern
