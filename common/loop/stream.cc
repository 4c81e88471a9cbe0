#include "common/loop/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"

namespace postern {
namespace {

// One read's worth; a session that is idle holds no buffer at all.
constexpr std::size_t chunk = 16384;

}  // namespace

ssize_t Transport::read(int fd, char* data, std::size_t size) {
  return ::read(fd, data, size);
}

ssize_t Transport::write(int fd, const char* data, std::size_t size) {
  return ::send(fd, data, size, MSG_NOSIGNAL);
}

Stream::Stream(Fd fd)
    : fd_(std::move(fd)),
      transport_(std::make_unique<Transport>()),
      read_watch_(fd_.get(), Watch::read, true,
                  [this](short events) { happened(events); }) {
  [[maybe_unused]] const Status done = os::set_nonblocking(fd_.get());
}

Stream::~Stream() = default;

void Stream::set_transport(std::unique_ptr<Transport> transport) {
  transport_ = std::move(transport);
}

void Stream::consume(std::size_t bytes) {
  consumed_ += bytes;
  if (consumed_ < input_.size()) return;
  consumed_ = 0;
  if (input_.capacity() > 512)
    std::string().swap(input_);
  else
    input_.clear();
}

Stream::Got Stream::receive() {
  char buffer[chunk];
  for (;;) {
    const ssize_t n = transport_->read(fd_.get(), buffer, sizeof buffer);
    if (n > 0) {
      if (consumed_ > 0) {
        input_.erase(0, consumed_);
        consumed_ = 0;
      }
      input_.append(buffer, static_cast<std::size_t>(n));
      return Got::data;
    }
    if (n == 0) {
      ended_ = true;
      return Got::end;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Got::nothing;
    error_ = errno;
    return Got::error;
  }
}

bool Stream::poll() { return receive() == Got::data; }

bool Stream::send_some() {
  while (sent_ < output_.size()) {
    const ssize_t n = transport_->write(fd_.get(), output_.data() + sent_,
                                        output_.size() - sent_);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    error_ = errno;
    return false;
  }
  sent_ = 0;
  if (output_.capacity() > 512)
    std::string().swap(output_);
  else
    output_.clear();
  return true;
}

void Stream::push() { send_some(); }

void Stream::shut() {
  transport_->farewell(fd_.get());
  ::shutdown(fd_.get(), SHUT_RDWR);
}

// Edge-triggered on purpose: a session that waits for nothing costs nothing,
// and no descriptor is re-armed. Level is regained by trying first: every wait
// begins with a read or a write.
void Stream::happened(short events) {
  const bool may_read =
      (events & Watch::read) != 0 || transport_->read_waits_for_write();
  if (may_read && filling_ != nullptr) {
    const Got got = receive();
    if (got != Got::nothing) filling_->wake(got);
  }
  if (flushing_ != nullptr) {
    const bool fine = send_some();
    if (!fine || unsent() == 0) flushing_->wake(fine);
  }
}

void Stream::arm_write(bool on) {
  if (on && !write_watch_)
    write_watch_ =
        std::make_unique<Watch>(fd_.get(), Watch::write, true,
                                [this](short events) { happened(events); });
  if (!on) write_watch_.reset();
}

Stream::Fill::~Fill() {
  if (stream_.filling_ == this) stream_.filling_ = nullptr;
}

bool Stream::Fill::await_ready() {
  const Got got = stream_.receive();
  if (got != Got::nothing) got_ = got;
  return got_.has_value();
}

void Stream::Fill::await_suspend(std::coroutine_handle<> caller) {
  resume_.handle = caller;
  stream_.filling_ = this;
  if (stream_.transport_->read_waits_for_write()) stream_.arm_write(true);
  timer_.emplace([this] { Loop::current().ready(resume_); });
  timer_->start(limit_);
}

void Stream::Fill::wake(Got got) {
  got_ = got;
  stream_.filling_ = nullptr;
  timer_->stop();
  Loop::current().ready(resume_);
}

void Stream::Fill::await_resume() {
  if (!got_) throw Hangup{Hangup::Why::timed_out, 0};
  if (*got_ == Got::end) throw Hangup{Hangup::Why::closed, 0};
  if (*got_ == Got::error) throw Hangup{Hangup::Why::broken, stream_.error_};
}

Stream::Flush::~Flush() {
  if (stream_.flushing_ == this) stream_.flushing_ = nullptr;
}

bool Stream::Flush::await_ready() {
  const bool fine = stream_.send_some();
  if (!fine || stream_.unsent() == 0) done_ = fine;
  return done_.has_value();
}

void Stream::Flush::await_suspend(std::coroutine_handle<> caller) {
  resume_.handle = caller;
  stream_.flushing_ = this;
  stream_.arm_write(true);
  timer_.emplace([this] { Loop::current().ready(resume_); });
  timer_->start(limit_);
}

void Stream::Flush::wake(bool done) {
  done_ = done;
  stream_.flushing_ = nullptr;
  timer_->stop();
  Loop::current().ready(resume_);
}

void Stream::Flush::await_resume() {
  if (!done_) throw Hangup{Hangup::Why::timed_out, 0};
  if (!*done_) throw Hangup{Hangup::Why::broken, stream_.error_};
}

}  // namespace postern
