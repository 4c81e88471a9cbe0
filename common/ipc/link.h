// A persistent connection between two of our processes.
//
// Frames go both ways: notices, questions, and answers to them. What is sent
// during a turn of the loop leaves in one system call at its end. Incoming
// notices and questions are taken with `co_await link.next(limit)`; answers
// find their question by themselves. A frame that the contract does not list
// for this pair, or that does not decode, ends the link and is logged.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/role.h"
#include "common/ipc/wire.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::ipc {

enum class FrameKind : std::uint8_t { notice = 1, question = 2, answer = 3 };

// One frame as received.
struct Frame {
  FrameKind kind = FrameKind::notice;
  std::uint32_t type = 0;
  std::uint32_t id = 0;  // of the question
  std::string body;
  std::deque<Fd> descriptors;

  template <Declared M>
  bool is() const {
    return type == type_of<M>();
  }
  // The message, or nullopt when it does not decode. Takes the descriptors.
  template <Declared M>
  std::optional<M> as() {
    if (!is<M>()) return std::nullopt;
    M message{};
    Reader reader(body, &descriptors);
    reader.get(message);
    if (!reader.at_end()) return std::nullopt;
    return message;
  }
};

// Largest frame either side accepts, in bytes. Senders split what is longer.
constexpr std::size_t largest_frame = 4u << 20;
// Most descriptors of one frame: master hands over sockets by the list,
// nobody else does.
constexpr std::size_t most_descriptors_of_master = 2048;
constexpr std::size_t most_descriptors = 16;

// What a frame with `message` would take; for what may not fit.
struct FrameSize {
  std::size_t bytes = 0;
  std::size_t descriptors = 0;
};
template <Declared M>
FrameSize frame_size(const M& message) {
  Writer writer;
  writer.put(message);
  return {writer.bytes.size(), writer.descriptors.size()};
}

class Link {
 public:
  // Takes the socket (a stream socket of AF_UNIX). `self` and `peer` select
  // the contract's rows. `name` is for log lines: "cleanup", "worker of bob".
  Link(Fd socket, Role self, Role peer, std::string name);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const std::string& name() const { return name_; }
  Role peer() const { return peer_; }
  bool open() const { return !closed_; }

  // Called once from the loop when the link has closed, whoever closed it. May
  // destroy the link.
  void when_closed(std::function<void()> callback);
  void close();

  // --- sending ---
  // False: it was not sent, for the link has closed, or for the message does
  // not fit into a frame, or there are no more descriptors. The latter two are
  // logged; and as what follows on a notice makes no sense without it, they
  // close the link. An asker whose answer cannot be sent gets trouble.
  template <Declared M>
  bool send(const M& notice) {
    const Status sent = post(FrameKind::notice, 0, notice);
    if (!sent) fail(sent.trouble().text);
    return open();
  }
  template <Declared M>
  bool reply(std::uint32_t question, const M& answer) {
    const Status sent = post(FrameKind::answer, question, answer);
    if (!sent) reply_nothing(question, sent.trouble().text);
    return open() && sent.ok();
  }

  // Result<Answer>: trouble (4.3.0, "lost connection with the cleanup
  // service", or "… timed out") when no answer came. Trouble for good (5.3.4)
  // when the question is too large for a frame: then it was not sent, and the
  // link stays as it is.
  template <class Q>
  class Call;
  template <Declared Q>
  Call<Q> call(const Q& question, Millis limit);

  // Bytes not yet with the kernel; wait with drained() before sending much
  // more. drained() gives false when the link closed or `limit` passed.
  std::size_t unsent() const { return output_.size() - sent_; }
  class Drained;
  Drained drained(Millis limit);
  // Writes now instead of at the end of the turn.
  void flush_now();

  // --- receiving ---
  // The next notice or question; nullopt when the link has closed and all was
  // taken, or `limit` has passed (open() tells which).
  class Next;
  Next next(Millis limit);
  std::size_t waiting() const { return inbox_.size(); }

 private:
  struct Pending {
    Promised<Frame>* promised;
  };
  struct Flusher final : Item {
    explicit Flusher(Link& owner) : link(owner) {}
    void run() override { link.flush_now(); }
    Link& link;
  };

  // Descriptors leave with the first byte of their frame: not earlier, for the
  // peer takes none that nothing declares, and not later.
  struct Parcel {
    std::size_t at;  // in output_
    std::vector<Fd> descriptors;
  };

  struct ClosedNotice final : Item {
    explicit ClosedNotice(Link& owner) : link(owner) {}
    void run() override {
      const std::function<void()> callback = std::move(link.when_closed_);
      callback();  // *this may be gone
    }
    Link& link;
  };

  template <Declared M>
  Status post(FrameKind kind, std::uint32_t id, const M& message) {
    Writer writer;
    writer.put(message);
    return enqueue(kind, type_of<M>(), id, M::wire().name, std::move(writer));
  }
  Status enqueue(FrameKind kind, std::uint32_t type, std::uint32_t id,
                 const char* name, Writer writer);
  void reply_nothing(std::uint32_t question, const std::string& why);
  void readable();
  void parse();
  bool too_many_descriptors(std::size_t at) const;
  void deliver(Frame frame);
  void fail(const std::string& why);
  void mark_closed();
  void watch_write(bool on);

  Fd fd_;
  Role self_;
  Role peer_;
  std::string name_;
  bool closed_ = false;
  std::function<void()> when_closed_;

  std::string output_;
  std::size_t sent_ = 0;
  std::deque<Parcel> parcels_;
  Flusher flusher_;
  ClosedNotice closed_notice_;
  std::unique_ptr<Watch> write_watch_;
  Drained* draining_ = nullptr;

  std::string input_;
  std::deque<Fd> incoming_descriptors_;
  std::deque<Frame> inbox_;
  std::size_t inbox_weight_ = 0;
  Next* nexting_ = nullptr;
  std::uint32_t last_id_ = 0;
  std::unordered_map<std::uint32_t, Promised<Frame>*> pending_;
  Watch read_watch_;
};

template <class Q>
class Link::Call {
 public:
  using Answer = typename Q::Answer;
  Call(Link& link, std::uint32_t id, Millis limit, Status sent)
      : link_(&link),
        id_(id),
        name_(link.name()),
        sent_(std::move(sent)),
        wait_(promised_, limit) {
    if (link.closed_ || !sent_)
      promised_.set(Frame{});
    else
      link.pending_[id] = &promised_;
  }
  ~Call() {
    if (link_alive()) link_->pending_.erase(id_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool await_ready() const noexcept { return wait_.await_ready(); }
  void await_suspend(std::coroutine_handle<> caller) {
    wait_.await_suspend(caller);
  }
  Result<Answer> await_resume() {
    if (!sent_) return sent_.trouble();
    if (!wait_.await_resume())
      return try_later("3.0", "the " + name_ + " service did not answer in time");
    Frame frame = promised_.take();
    if (frame.kind == FrameKind::answer && frame.type == 0)
      return try_later("3.0", "the " + name_ + " service could not send its "
                                               "answer");
    std::optional<Answer> answer = frame.as<Answer>();
    if (!answer)
      return try_later("3.0", "lost connection with the " + name_ + " service");
    return std::move(*answer);
  }

 private:
  // A link that goes sets the promise of every pending call first.
  bool link_alive() const { return !promised_.is_set(); }
  Link* link_;
  std::uint32_t id_;
  std::string name_;
  Status sent_;
  Promised<Frame> promised_;
  Promised<Frame>::Wait wait_;
};

template <Declared Q>
Link::Call<Q> Link::call(const Q& question, Millis limit) {
  const std::uint32_t id = ++last_id_;
  Status sent;
  if (!closed_) sent = post(FrameKind::question, id, question);
  return Call<Q>(*this, id, limit, std::move(sent));
}

class Link::Next {
 public:
  Next(Link& link, Millis limit) : link_(&link), limit_(limit) {}
  ~Next();
  Next(const Next&) = delete;
  Next& operator=(const Next&) = delete;
  bool await_ready() const noexcept;
  void await_suspend(std::coroutine_handle<> caller);
  std::optional<Frame> await_resume();

 private:
  friend class Link;
  Link* link_;  // null once the link is gone
  Millis limit_;
  postern::detail::Resume resume_;
  std::optional<Timer> timer_;
};

class Link::Drained {
 public:
  Drained(Link& link, Millis limit) : link_(&link), limit_(limit) {}
  ~Drained();
  Drained(const Drained&) = delete;
  Drained& operator=(const Drained&) = delete;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> caller);
  bool await_resume() const noexcept;

 private:
  friend class Link;
  Link* link_;  // null once the link is gone
  Millis limit_;
  postern::detail::Resume resume_;
  std::optional<Timer> timer_;
};

inline Link::Drained Link::drained(Millis limit) {
  return Drained(*this, limit);
}

inline Link::Next Link::next(Millis limit) { return Next(*this, limit); }

}  // namespace postern::ipc
