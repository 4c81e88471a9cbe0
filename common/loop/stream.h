// A buffered, non-blocking byte stream with a time limit on every wait, and
// Hangup, the one exception of this code base: the conversation is over.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern {

// Thrown out of a wait, caught once at the root of a session.
struct Hangup {
  enum class Why { closed, timed_out, broken, line_too_long };
  Why why = Why::closed;
  int error = 0;  // errno where `why` is broken
};

// How bytes get on and off the descriptor: plain, or TLS later. Results are
// those of read(2) and write(2), errno EAGAIN included.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual ssize_t read(int fd, char* data, std::size_t size);
  virtual ssize_t write(int fd, const char* data, std::size_t size);
  // The last read had to write first, and the socket was full.
  virtual bool read_waits_for_write() const { return false; }
  // Before the connection is shut: what is to be said, where it can be said.
  virtual void farewell(int) {}
};

class Stream {
 public:
  // Takes the descriptor and makes it non-blocking.
  explicit Stream(Fd fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int fd() const { return fd_.get(); }
  void set_transport(std::unique_ptr<Transport> transport);

  // --- input ---
  // What has arrived and was not consumed. Valid until the next fill.
  std::string_view buffered() const {
    return std::string_view(input_).substr(consumed_);
  }
  void consume(std::size_t bytes);

  // co_await fill(limit): until at least one more byte is buffered. Throws
  // Hangup when the peer closed, the limit passed, or the socket broke.
  class Fill;
  Fill fill(Millis limit);

  // Takes what has arrived meanwhile without waiting; false when nothing has.
  // Never throws: an end of the stream is met by the next fill.
  bool poll();

  // --- output ---
  void put(std::string_view data) { output_ += data; }
  std::size_t unsent() const { return output_.size() - sent_; }
  // co_await flush(limit): until everything put is with the kernel.
  class Flush;
  Flush flush(Millis limit);
  // Writes what the kernel takes now; does not wait, does not throw.
  void push();

  // Shuts the socket down in both directions; a waiter is thrown Hangup.
  void shut();

 private:
  friend class Fill;
  friend class Flush;
  enum class Got { data, nothing, end, error };
  Got receive();
  bool send_some();  // false on a broken socket
  void happened(short events);
  void arm_write(bool on);

  Fd fd_;
  std::unique_ptr<Transport> transport_;
  std::string input_;
  std::size_t consumed_ = 0;
  std::string output_;
  std::size_t sent_ = 0;
  int error_ = 0;
  bool ended_ = false;
  bool watching_write_ = false;
  Fill* filling_ = nullptr;
  Flush* flushing_ = nullptr;
  Watch read_watch_;
  std::unique_ptr<Watch> write_watch_;
};

class Stream::Fill {
 public:
  Fill(Stream& stream, Millis limit) : stream_(stream), limit_(limit) {}
  ~Fill();
  Fill(const Fill&) = delete;
  Fill& operator=(const Fill&) = delete;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> caller);
  void await_resume();

 private:
  friend class Stream;
  void wake(Got got);
  Stream& stream_;
  Millis limit_;
  std::optional<Got> got_;
  detail::Resume resume_;
  std::optional<Timer> timer_;
};

class Stream::Flush {
 public:
  Flush(Stream& stream, Millis limit) : stream_(stream), limit_(limit) {}
  ~Flush();
  Flush(const Flush&) = delete;
  Flush& operator=(const Flush&) = delete;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> caller);
  void await_resume();

 private:
  friend class Stream;
  void wake(bool done);
  Stream& stream_;
  Millis limit_;
  std::optional<bool> done_;
  detail::Resume resume_;
  std::optional<Timer> timer_;
};

inline Stream::Fill Stream::fill(Millis limit) { return Fill(*this, limit); }
inline Stream::Flush Stream::flush(Millis limit) { return Flush(*this, limit); }

}  // namespace postern
