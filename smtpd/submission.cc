#include "smtpd/submission.h"

namespace postern::smtpd {
namespace {

constexpr Millis begin_limit = Seconds(60);
// Above this much on its way the client has to wait.
constexpr std::size_t most_under_way = 262144;
// Recipients that wait for the content.
constexpr std::size_t most_waiting = 100;

}  // namespace

Submission::~Submission() {
  // cleanup discards what has no end; the link's end says it all.
  if (link_ && link_->open()) link_->send(ipc::MessageAbort{"dropped"});
}

Task<Result<ipc::MessageBegun>> Submission::begin_once(
    ipc::MessageBegin message) {
  Result<std::unique_ptr<ipc::Link>> link =
      co_await surroundings_.borrow_content_link();
  if (!link) co_return link.trouble();
  link_ = std::move(*link);
  ipc::Link* live = link_.get();
  Result<ipc::MessageBegun> begun = co_await live->call(message, begin_limit);
  if (begun && begun->trouble.present && link_->open())
    surroundings_.give_back(std::move(link_));
  co_return std::move(begun);
}

// A link from the pool may have died while nobody looked: cleanup restarts.
Task<Result<ipc::MessageBegun>> Submission::begin(ipc::MessageBegin message) {
  ipc::MessageBegin again = message;
  Result<ipc::MessageBegun> begun = co_await begin_once(std::move(message));
  if (begun || !link_ || link_->open()) co_return std::move(begun);
  link_.reset();
  co_return co_await begin_once(std::move(again));
}

void Submission::add(ipc::MessageRecipient recipient) {
  recipients_.push_back(std::move(recipient));
  if (recipients_.size() >= most_waiting) send_recipients();
}

void Submission::send_recipients() {
  if (!alive()) {
    recipients_.clear();
    return;
  }
  for (const ipc::MessageRecipient& recipient : recipients_)
    link_->send(recipient);
  std::vector<ipc::MessageRecipient>().swap(recipients_);
}

void Submission::mark(const ipc::MessageMark& mark) {
  if (link_) link_->send(mark);
}

void Submission::send_gathered() {
  send_recipients();
  if (gathered_.empty()) return;
  sent_ += static_cast<std::int64_t>(gathered_.size());
  link_->send(ipc::MessageContent{std::move(gathered_)});
  gathered_ = std::string();
}

bool Submission::alive() const { return link_ && link_->open(); }

// What cannot be sent in time breaks the message: its rest is not taken, and
// without its rest it must not be acknowledged. So the link closes, and
// cleanup drops what it has.
Task<bool> Submission::send_on(bool more_at_once, Millis limit) {
  if (!alive()) {
    gathered_.clear();
    co_return false;
  }
  if (gathered_.size() < (more_at_once ? most_gathered : worth_sending))
    co_return true;
  send_gathered();
  if (link_->unsent() < most_under_way) co_return true;
  ipc::Link* live = link_.get();
  const bool taken = co_await live->drained(limit);
  if (!taken) link_->close();
  co_return taken;
}

Task<Result<ipc::MessageVerdict>> Submission::end(Millis limit) {
  if (!alive())
    co_return try_later("3.0", "lost connection with the cleanup service");
  send_gathered();
  ipc::MessageEnd last;
  last.bytes = sent_;
  ipc::Link* live = link_.get();
  Result<ipc::MessageVerdict> verdict = co_await live->call(last, limit);
  if (verdict && link_->open())
    surroundings_.give_back(std::move(link_));
  else
    link_.reset();
  co_return std::move(verdict);
}

}  // namespace postern::smtpd
