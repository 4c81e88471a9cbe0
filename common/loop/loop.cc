#include "common/loop/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/base/panic.h"

namespace postern {

void Item::unlink() {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

struct ItemList::Head final : Item {
  void run() override {}
};

ItemList::ItemList() : head_(std::make_unique<Head>()) {
  head_->next_ = head_->previous_ = head_.get();
}

ItemList::~ItemList() {
  while (pop() != nullptr) {
  }
  head_->next_ = head_->previous_ = nullptr;
}

void ItemList::push(Item& item) {
  item.unlink();
  item.next_ = head_.get();
  item.previous_ = head_->previous_;
  item.previous_->next_ = &item;
  head_->previous_ = &item;
}

Item* ItemList::pop() {
  Item* first = head_->next_;
  if (first == head_.get()) return nullptr;
  first->unlink();
  return first;
}

bool ItemList::empty() const { return head_->next_ == head_.get(); }

namespace {

thread_local Loop* current_loop = nullptr;

timeval to_timeval(Millis delay) {
  const auto ms = delay.count() < 0 ? 0 : delay.count();
  return {static_cast<time_t>(ms / 1000),
          static_cast<suseconds_t>(ms % 1000 * 1000)};
}

}  // namespace

Loop::Loop() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  require(base_ != nullptr, "no event base");
  require(current_loop == nullptr, "two loops in one thread");
  current_loop = this;
}

Loop::~Loop() {
  current_loop = nullptr;
  event_base_free(base_);
}

Loop& Loop::current() {
  require(current_loop != nullptr, "no loop in this thread");
  return *current_loop;
}

void Loop::turn() {
  while (Item* item = ready_.pop()) item->run();
  while (Item* item = turn_end_.pop()) item->run();
}

void Loop::run() {
  for (;;) {
    turn();
    if (!ready_.empty()) continue;
    if (stopped_) return;
    event_base_loop(base_, EVLOOP_ONCE);
  }
}

void Loop::run_until(const std::function<bool()>& done) {
  for (;;) {
    turn();
    if (done()) return;
    if (!ready_.empty()) continue;
    event_base_loop(base_, EVLOOP_ONCE);
  }
}

Timer::Timer(std::function<void()> expired) : expired_(std::move(expired)) {
  event_ = evtimer_new(
      Loop::current().base(),
      [](evutil_socket_t, short, void* self) {
        auto* timer = static_cast<Timer*>(self);
        timer->running_ = false;
        timer->expired_();
      },
      this);
}

Timer::~Timer() { event_free(event_); }

void Timer::start(Millis delay) {
  const timeval tv = to_timeval(delay);
  evtimer_add(event_, &tv);
  running_ = true;
}

void Timer::stop() {
  if (!running_) return;
  evtimer_del(event_);
  running_ = false;
}

Watch::Watch(int fd, short what, bool edge,
             std::function<void(short)> happened)
    : happened_(std::move(happened)) {
  const short flags =
      static_cast<short>(what | EV_PERSIST | (edge ? EV_ET : 0));
  event_ = event_new(
      Loop::current().base(), fd, flags,
      [](evutil_socket_t, short events, void* self) {
        static_cast<Watch*>(self)->happened_(events);
      },
      this);
  enable();
}

Watch::~Watch() { event_free(event_); }

void Watch::enable() {
  if (enabled_) return;
  require(event_add(event_, nullptr) == 0, "cannot watch a descriptor");
  enabled_ = true;
}

void Watch::disable() {
  if (!enabled_) return;
  event_del(event_);
  enabled_ = false;
}

SignalWatch::SignalWatch(int signal_number, std::function<void()> happened)
    : happened_(std::move(happened)) {
  event_ = evsignal_new(
      Loop::current().base(), signal_number,
      [](evutil_socket_t, short, void* self) {
        static_cast<SignalWatch*>(self)->happened_();
      },
      this);
  evsignal_add(event_, nullptr);
}

SignalWatch::~SignalWatch() { event_free(event_); }

}  // namespace postern
