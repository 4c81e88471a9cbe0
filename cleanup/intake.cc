#include "cleanup/intake.h"

#include <utility>

namespace postern::cleanup {
namespace {

// A link may be idle for as long as it likes.
constexpr Millis idle_limit{3'600'000};
// smtpd has its own limits for a slow client; this is for a peer that hangs.
constexpr Millis message_limit{18'000'000};

// As smtputf8_autodetect_classes calls what such a peer brings.
const char* class_of(Role peer) {
  if (peer == Role::lookup) return "verify";
  if (peer == Role::local) return "forward";
  return "smtpd";
}

}  // namespace

Intake::~Intake() = default;

void Intake::serve(std::unique_ptr<ipc::Link> link) {
  if (draining_) return;
  conversations_.push_back({std::move(link), 0, {}});
  Conversation& conversation = conversations_.back();
  conversation.self = std::prev(conversations_.end());
  nursery_.start(converse(&conversation));
}

void Intake::drain(std::function<void()> finished) {
  draining_ = true;
  finished_ = std::move(finished);
  for (Conversation& conversation : conversations_)
    if (conversation.busy == 0) conversation.link->close();
  nursery_.when_empty([this] { finished_(); });
  if (nursery_.empty()) finished_();
}

Task<void> Intake::converse(Conversation* conversation) {
  ipc::Link* link = conversation->link.get();
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(idle_limit);
    if (!frame) continue;
    const std::uint32_t question = frame->id;
    if (std::optional<ipc::MessageBegin> begin =
            frame->as<ipc::MessageBegin>()) {
      ++conversation->busy;
      const bool usable =
          co_await receive(conversation, std::move(*begin), question);
      --conversation->busy;
      if (!usable || draining_) {
        link->flush_now();
        link->close();
      }
    } else if (std::optional<ipc::NoticeRequest> request =
                   frame->as<ipc::NoticeRequest>()) {
      ++conversation->busy;
      nursery_.start(
          answer_notice(conversation, std::move(*request), question));
    } else if (const auto room = frame->as<ipc::RoomFind>()) {
      link->reply(question,
                  room_for(means_.settings, means_.spool, room->size_hint));
    } else if (frame->is<ipc::MessageEnd>()) {
      // Of a message that could not begin.
      ipc::MessageVerdict verdict;
      verdict.trouble = ipc::TroubleWire::from(
          try_later("3.0", "Error: queue file write error"));
      link->reply(question, verdict);
    }
    // The rest belongs to a message that could not begin.
  }
  // Notices under way still hold the conversation.
  while (conversation->busy > 0) {
    co_await pause(Millis(50));
  }
  conversations_.erase(conversation->self);
}

Task<bool> Intake::receive(Conversation* conversation, ipc::MessageBegin begin,
                           std::uint32_t question) {
  ipc::Link* link = conversation->link.get();
  Result<std::unique_ptr<Submission>> made = Submission::create(
      means_, std::move(begin), class_of(link->peer()));
  ipc::MessageBegun begun;
  if (!made) {
    begun.trouble = ipc::TroubleWire::from(made.trouble());
    link->reply(question, begun);
    co_return true;
  }
  const std::unique_ptr<Submission> submission = std::move(*made);
  begun.queue_id = submission->id();
  link->reply(question, begun);
  co_await submission->start();
  for (;;) {
    std::optional<ipc::Frame> frame = co_await link->next(message_limit);
    if (!frame) co_return false;
    const std::uint32_t id = frame->id;
    if (auto content = frame->as<ipc::MessageContent>()) {
      co_await submission->content(std::move(content->bytes));
    } else if (auto recipient = frame->as<ipc::MessageRecipient>()) {
      co_await submission->recipient(std::move(*recipient));
    } else if (auto mark = frame->as<ipc::MessageMark>()) {
      submission->mark(*mark);
    } else if (frame->is<ipc::MessageAbort>()) {
      co_return true;
    } else if (auto end = frame->as<ipc::MessageEnd>()) {
      if (end->bytes != submission->received()) {
        means_.log.warning("{}: {} of {} content bytes arrived",
                           submission->id(), submission->received(),
                           end->bytes);
        submission->fail(
            try_later("3.0", "Error: queue file write error"));
      }
      const ipc::MessageVerdict verdict = co_await submission->finish();
      link->reply(id, verdict);
      std::optional<ipc::NoticeRequest> report = submission->take_report();
      if (report) {
        link->flush_now();
        co_await notify_(std::move(*report));
      }
      co_return true;
    } else {
      // Another message before the end of this one, or what does not decode.
      means_.log.warning("{}: {} broke off a message", submission->id(),
                         link->name());
      co_return false;
    }
  }
}

Task<void> Intake::answer_notice(Conversation* conversation,
                                 ipc::NoticeRequest what,
                                 std::uint32_t question) {
  const ipc::NoticeDone done = co_await notify_(std::move(what));
  if (conversation->link->open())
    conversation->link->reply(question, done);
  --conversation->busy;
}

}  // namespace postern::cleanup
