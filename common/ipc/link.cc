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

// Header of a frame: body length, type, question id (4 bytes each), kind (1),
// descriptor count (2), one spare.
constexpr std::size_t header_size = 16;
// As many descriptors as the kernel takes at a time (SCM_MAX_FD).
constexpr std::size_t most_at_a_time = 253;
// The answer of a peer that could not send the one that was asked for.
constexpr std::uint32_t no_type = 0;
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

std::size_t descriptor_count(const char* head) {
  return static_cast<unsigned char>(head[13]) |
         static_cast<std::size_t>(static_cast<unsigned char>(head[14])) << 8;
}

std::size_t most_from(Role sender) {
  return sender == Role::master ? most_descriptors_of_master
                                : most_descriptors;
}

// What a frame that waits counts for: descriptors are scarcer than bytes.
std::size_t weight(const Frame& frame) {
  constexpr std::size_t of_descriptor = 8192;
  return sizeof(Frame) + frame.body.size() +
         of_descriptor * frame.descriptors.size();
}

// What the receiver would refuse is not sent.
Status fitting(const Writer& writer, Role sender, const char* message_name) {
  if (writer.bytes.size() > largest_frame)
    return give_up("3.4", std::string("the message ") + message_name + " of " +
                              std::to_string(writer.bytes.size()) +
                              " bytes is too large (at most " +
                              std::to_string(largest_frame) + ")");
  if (writer.descriptors.size() > most_from(sender))
    return give_up("3.4", std::string("the message ") + message_name +
                              " has too many descriptors (" +
                              std::to_string(writer.descriptors.size()) +
                              ", at most " + std::to_string(most_from(sender)) +
                              ")");
  return {};
}

// The sender keeps its own.
Result<std::vector<Fd>> copies_of(const std::vector<int>& descriptors) {
  std::vector<Fd> copies;
  for (const int fd : descriptors) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
      return try_later("3.0", "cannot hand over a descriptor: " +
                                  os::error_text(errno));
    copies.emplace_back(copy);
  }
  return copies;
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

Status Link::enqueue(FrameKind kind, std::uint32_t type, std::uint32_t id,
                     const char* message_name, Writer writer) {
  require(kind == FrameKind::answer || allowed(self_, peer_, type),
          std::string("the contract has no ") + message_name + " from " +
              std::string(name_of(self_)) + " to " +
              std::string(name_of(peer_)));
  if (closed_) return {};
  if (Status fits = fitting(writer, self_, message_name); !fits) return fits;
  Result<std::vector<Fd>> copies = copies_of(writer.descriptors);
  if (!copies) return copies.trouble();
  const std::size_t count = copies->size();
  if (count > 0) parcels_.push_back({output_.size(), std::move(*copies)});
  put_u32(output_, static_cast<std::uint32_t>(writer.bytes.size()));
  put_u32(output_, type);
  put_u32(output_, id);
  output_ += static_cast<char>(kind);
  output_ += static_cast<char>(count & 255);
  output_ += static_cast<char>(count >> 8);
  output_ += '\0';
  output_ += writer.bytes;
  if (!write_watch_) Loop::current().at_turn_end(flusher_);
  return {};
}

void Link::reply_nothing(std::uint32_t question, const std::string& why) {
  const log::Log log("postern/" + std::string(name_of(self_)));
  log.warning("answer to {} ({}): {}", name_, name_of(peer_), why);
  [[maybe_unused]] const Status sent =
      enqueue(FrameKind::answer, no_type, question, "nothing", Writer());
}

void Link::flush_now() {
  while (sent_ < output_.size()) {
    iovec piece{output_.data() + sent_, output_.size() - sent_};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_at_a_time)];
    std::size_t count = 0;
    if (!parcels_.empty()) {
      const Parcel& next = parcels_.front();
      if (sent_ < next.at) {
        piece.iov_len = next.at - sent_;
      } else {
        count = std::min(next.descriptors.size(), most_at_a_time);
        // One byte of the frame with each lot but the last, which may take
        // what follows as far as the next descriptors.
        if (count < next.descriptors.size())
          piece.iov_len = 1;
        else if (parcels_.size() > 1)
          piece.iov_len = parcels_[1].at - sent_;
      }
    }
    if (count > 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
      for (std::size_t i = 0; i < count; ++i) {
        const int fd = parcels_.front().descriptors[i].get();
        std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof fd);
      }
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
    if (count == 0) continue;
    std::vector<Fd>& handed = parcels_.front().descriptors;
    handed.erase(handed.begin(),
                 handed.begin() + static_cast<std::ptrdiff_t>(count));
    if (handed.empty()) parcels_.pop_front();
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
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_at_a_time)];
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
    const std::size_t count = descriptor_count(head);
    if (length > largest_frame || kind < FrameKind::notice ||
        kind > FrameKind::answer || count > most_from(peer_)) {
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
    for (std::size_t i = 0; i < count; ++i) {
      frame.descriptors.push_back(std::move(incoming_descriptors_.front()));
      incoming_descriptors_.pop_front();
    }
    at += header_size + length;
    deliver(std::move(frame));
  }
  if (closed_) return;
  if (too_many_descriptors(at)) {
    fail("descriptors that no frame declares");
    return;
  }
  input_.erase(0, at);
  if (input_.empty() && input_.capacity() > 131072) input_.shrink_to_fit();
  if (inbox_weight_ > inbox_limit) read_watch_.disable();
}

// Descriptors come with the first byte of their frame, so those that are left
// belong to the one that begins at `at` of the input. What a peer sends beyond
// would fill our table.
bool Link::too_many_descriptors(std::size_t at) const {
  const std::size_t rest = input_.size() - at;
  const std::size_t declared = rest >= header_size
                                   ? descriptor_count(input_.data() + at)
                                   : rest > 0 ? most_from(peer_)
                                              : 0;
  return incoming_descriptors_.size() > declared;
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
  inbox_weight_ += weight(frame);
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
  // Nobody takes them now, and a table of descriptors is not large.
  parcels_.clear();
  incoming_descriptors_.clear();
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
  link_->inbox_weight_ -= weight(frame);
  if (!link_->closed_ && link_->inbox_weight_ <= inbox_limit / 2)
    link_->read_watch_.enable();
  return frame;
}

}  // namespace postern::ipc
