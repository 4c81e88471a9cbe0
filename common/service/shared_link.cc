// SharedLink: one attempt at a time, and all who ask meanwhile wait for it.
#include <algorithm>

#include "common/service/service.h"

namespace postern {

// Lives in the frame of whoever makes the link; that one may be cancelled, and
// then the others must not wait for it.
class SharedLink::Making {
 public:
  explicit Making(SharedLink& owner) : owner_(owner) { owner_.making_ = true; }
  ~Making() { end(Outcome::abandoned); }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  void end(Outcome outcome) {
    if (ended_) return;
    ended_ = true;
    owner_.making_ = false;
    const auto waiting = std::exchange(owner_.waiting_, {});
    for (Promised<Outcome>* each : waiting) each->set(outcome);
  }

 private:
  SharedLink& owner_;
  bool ended_ = false;
};

class SharedLink::Waiting {
 public:
  explicit Waiting(SharedLink& owner) : owner_(owner) {
    owner_.waiting_.push_back(&promised);
  }
  ~Waiting() { std::erase(owner_.waiting_, &promised); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  Promised<Outcome> promised;

 private:
  SharedLink& owner_;
};

SharedLink::SharedLink(Service& service, std::string target)
    : service_(service), target_(std::move(target)) {}
SharedLink::~SharedLink() = default;

Task<Result<ipc::Link*>> SharedLink::get(Millis limit) {
  for (;;) {
    if (link_ && link_->open()) co_return link_.get();
    if (making_) {
      Waiting asker(*this);
      const bool in_time = co_await asker.promised.wait(limit);
      if (!in_time)
        co_return try_later("3.0", "the " + target_ +
                                       " service did not answer in time");
      if (asker.promised.take() == Outcome::abandoned) continue;
      if (trouble_) co_return *trouble_;
      continue;
    }
    Making attempt(*this);
    trouble_.reset();
    Result<std::unique_ptr<ipc::Link>> made =
        co_await service_.link_to(target_, limit);
    if (made)
      link_ = std::move(*made);
    else
      trouble_ = made.trouble();
    attempt.end(Outcome::settled);
    if (trouble_) co_return *trouble_;
  }
}

}  // namespace postern
