#include "common/ipc/link.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/panic.h"
#include "common/ipc/contract.h"
#include "common/log/log.h"
#include "common/os/files.h"

namespace postern::ipc {
namespace {

// Header of a frame: body length, type, question id (4 bytes each), kind,
// descriptor count, two spare.
constexpr std::size_t header_size = 16;
constexpr std::size_t most_descriptors = 200;
// Above this much unread input the peer has to wait.
constexpr std::size_t inbox_limit = 1u << 20;

void put_u32(std::string& out, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(v >> (8 * i) & 255);
}

std::uint32_t get_u32(const char* p) {
  std::uint32_t v = 0;
  for (int i = 3; i >= 0; --i)
    v = v << 8 | static_cast<unsigned char>(p[i]);
  return v;
}

}  // namespace

Link::Link(Fd socket, Role self, Role peer, std::string name)
    : fd_(std::move(socket)),
      self_(self),
      peer_(peer),
      name_(std::move(name)),
      flusher_(*this),
      closed_notice_(*this),
      read_watch_(fd_.get(), Watch::read, false, [this](short) { readable(); }) {
  [[maybe_unused]] const Status done = os::set_nonblocking(fd_.get());
}

Link::~Link() {
  // What was said goes out: a notice followed by the end of the link counts.
  if (!closed_) flush_now();
  if (nexting_ != nullptr) nexting_->link_ = nullptr;
  if (draining_ != nullptr) draining_->link_ = nullptr;
  when_closed_ = nullptr;
  mark_closed();
}

void Link::when_closed(std::function<void()> callback) {
  when_closed_ = std::move(callback);
  if (closed_ && when_closed_) Loop::current().ready(closed_notice_);
}

void Link::close() {
  if (closed_) return;
  flush_now();
  mark_closed();
}

void Link::enqueue(FrameKind kind, std::uint32_t type, std::uint32_t id,
                   const char* message_name, Writer writer) {
  require(kind == FrameKind::answer || allowed(self_, peer_, type),
          std::string("the contract has no ") + message_name + " from " +
              std::string(name_of(self_)) + " to " +
              std::string(name_of(peer_)));
  require(writer.bytes.size() <= largest_frame, "frame too large");
  if (closed_) return;
  put_u32(output_, static_cast<std::uint32_t>(writer.bytes.size()));
  put_u32(output_, type);
  put_u32(output_, id);
  output_ += static_cast<char>(kind);
  output_ += static_cast<char>(writer.descriptors.size());
  output_ += std::string(2, '\0');
  output_ += writer.bytes;
  for (int fd : writer.descriptors) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    require(copy >= 0, "cannot duplicate a descriptor");
    outgoing_descriptors_.emplace_back(copy);
  }
  if (!write_watch_) Loop::current().at_turn_end(flusher_);
}

void Link::flush_now() {
  while (sent_ < output_.size()) {
    iovec piece{output_.data() + sent_, output_.size() - sent_};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    const std::size_t count =
        std::min(outgoing_descriptors_.size(), most_descriptors);
    if (count > 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
      for (std::size_t i = 0; i < count; ++i) {
        const int fd = outgoing_descriptors_[i].get();
        std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof fd);
      }
      // More descriptors than one call takes: they must not come later than
      // their frames, so send one byte with each further lot.
      if (outgoing_descriptors_.size() > count) piece.iov_len = 1;
    }
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      watch_write(true);
      return;
    }
    if (n < 0) {
      mark_closed();
      return;
    }
    sent_ += static_cast<std::size_t>(n);
    outgoing_descriptors_.erase(
        outgoing_descriptors_.begin(),
        outgoing_descriptors_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  output_.clear();
  if (output_.capacity() > 65536) output_.shrink_to_fit();
  sent_ = 0;
  watch_write(false);
  if (draining_ != nullptr) Loop::current().ready(draining_->resume_);
}

void Link::watch_write(bool on) {
  if (on && !write_watch_) {
    write_watch_ = std::make_unique<Watch>(fd_.get(), Watch::write, false,
                                           [this](short) {
                                             Loop::current().ready(flusher_);
                                             if (write_watch_)
                                               write_watch_->disable();
                                           });
  } else if (on) {
    write_watch_->enable();
  } else {
    write_watch_.reset();
  }
}

void Link::readable() {
  for (;;) {
    char buffer[65536];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    iovec piece{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); n >= 0 && c != nullptr;
         c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        incoming_descriptors_.emplace_back(fd);
      }
    }
    if (n <= 0) {
      mark_closed();
      return;
    }
    input_.append(buffer, static_cast<std::size_t>(n));
    parse();
    return;
  }
}

void Link::parse() {
  std::size_t at = 0;
  while (!closed_ && input_.size() - at >= header_size) {
    const char* head = input_.data() + at;
    const std::size_t length = get_u32(head);
    const auto kind = static_cast<FrameKind>(head[12]);
    const auto count = static_cast<unsigned char>(head[13]);
    if (length > largest_frame || kind < FrameKind::notice ||
        kind > FrameKind::answer) {
      fail("malformed frame");
      return;
    }
    if (input_.size() - at < header_size + length) break;
    Frame frame;
    frame.kind = kind;
    frame.type = get_u32(head + 4);
    frame.id = get_u32(head + 8);
    frame.body = input_.substr(at + header_size, length);
    if (incoming_descriptors_.size() < count) {
      fail("a frame without its descriptors");
      return;
    }
    for (unsigned i = 0; i < count; ++i) {
      frame.descriptors.push_back(std::move(incoming_descriptors_.front()));
      incoming_descriptors_.pop_front();
    }
    at += header_size + length;
    deliver(std::move(frame));
  }
  if (closed_) return;
  input_.erase(0, at);
  if (input_.empty() && input_.capacity() > 131072) input_.shrink_to_fit();
  if (inbox_bytes_ > inbox_limit) read_watch_.disable();
}

void Link::deliver(Frame frame) {
  if (frame.kind == FrameKind::answer) {
    const auto found = pending_.find(frame.id);
    // A question whose asker has gone: nobody misses the answer.
    if (found == pending_.end()) return;
    Promised<Frame>* promised = found->second;
    pending_.erase(found);
    promised->set(std::move(frame));
    return;
  }
  if (!allowed(peer_, self_, frame.type)) {
    fail("a message that the contract does not allow");
    return;
  }
  inbox_bytes_ += frame.body.size() + sizeof(Frame);
  inbox_.push_back(std::move(frame));
  if (nexting_ != nullptr) Loop::current().ready(nexting_->resume_);
}

void Link::fail(const std::string& why) {
  const log::Log log("postern/" + std::string(name_of(self_)));
  log.warning("link with {} ({}): {}; the link is closed", name_,
              name_of(peer_), why);
  mark_closed();
}

void Link::mark_closed() {
  if (closed_) return;
  closed_ = true;
  flusher_.unlink();
  read_watch_.disable();
  write_watch_.reset();
  ::shutdown(fd_.get(), SHUT_RDWR);
  if (draining_ != nullptr) Loop::current().ready(draining_->resume_);
  auto pending = std::exchange(pending_, {});
  for (auto& [id, promised] : pending) promised->set(Frame{});
  if (nexting_ != nullptr) Loop::current().ready(nexting_->resume_);
  if (when_closed_) Loop::current().ready(closed_notice_);
}

Link::Drained::~Drained() {
  if (link_ != nullptr && link_->draining_ == this) link_->draining_ = nullptr;
}

bool Link::Drained::await_ready() {
  if (!link_->closed_ && link_->unsent() != 0 && !link_->write_watch_)
    link_->flush_now();
  return link_->closed_ || link_->unsent() == 0;
}

void Link::Drained::await_suspend(std::coroutine_handle<> caller) {
  require(link_->draining_ == nullptr, "two waits for one link to drain");
  resume_.handle = caller;
  link_->draining_ = this;
  timer_.emplace([this] { Loop::current().ready(resume_); });
  timer_->start(limit_);
}

bool Link::Drained::await_resume() const noexcept {
  return link_ != nullptr && !link_->closed_ && link_->unsent() == 0;
}

Link::Next::~Next() {
  if (link_ != nullptr && link_->nexting_ == this) link_->nexting_ = nullptr;
}

bool Link::Next::await_ready() const noexcept {
  return link_->closed_ || !link_->inbox_.empty();
}

void Link::Next::await_suspend(std::coroutine_handle<> caller) {
  require(link_->nexting_ == nullptr, "two waits for one link");
  resume_.handle = caller;
  link_->nexting_ = this;
  timer_.emplace([this] { Loop::current().ready(resume_); });
  timer_->start(limit_);
}

std::optional<Frame> Link::Next::await_resume() {
  if (link_ == nullptr) return std::nullopt;
  if (link_->nexting_ == this) link_->nexting_ = nullptr;
  if (link_->inbox_.empty()) return std::nullopt;
  Frame frame = std::move(link_->inbox_.front());
  link_->inbox_.pop_front();
  link_->inbox_bytes_ -= frame.body.size() + sizeof(Frame);
  if (!link_->closed_ && link_->inbox_bytes_ <= inbox_limit / 2)
    link_->read_watch_.enable();
  return frame;
}

}  // namespace postern::ipc
