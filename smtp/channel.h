// Questions and answers with a server. Questions are asked ahead; they leave
// together when the server takes pipelining (RFC 2920) and one by one when it
// does not, so that a conversation reads the same either way.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "common/loop/stream.h"
#include "common/loop/task.h"
#include "common/mail/status.h"
#include "smtp/route.h"

namespace postern::smtp {

class Channel {
 public:
  explicit Channel(Stream& stream) : stream_(stream) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void set_pipelining(bool on) { pipelining_ = on; }
  bool pipelining() const { return pipelining_; }
  // smtp_per_request_deadline: the limit of an answer holds for the question
  // as well, together with it.
  void limit_together(bool on) { together_ = on; }
  // Told about each line that is no reply line.
  void when_garbage(std::function<void(std::string_view)> listener) {
    garbage_ = std::move(listener);
  }

  // smtp_reply_filter: each line goes past the tables, which may put another
  // in its place; the listener hears of both. `resolver` is borrowed.
  using Replaced = std::function<void(std::string_view, std::string_view)>;
  void filter_replies(Resolver& resolver, std::string maps,
                      Replaced listener) {
    resolver_ = &resolver;
    filter_ = std::move(maps);
    replaced_ = std::move(listener);
  }

  // A command without its line end.
  void ask(std::string_view command);
  // Takes back what has not been sent.
  void withdraw() { queued_.clear(); }
  // Is there an answer to come, for what is sent or still queued?
  bool due() const { return outstanding_ > 0 || !queued_.empty(); }

  // The answer to the earliest question without one; `limit` is for the whole
  // of it. Throws Hangup.
  Task<mail::ParsedReply> answer(Millis limit);
  // A reply nobody asked for in words: the greeting, or what follows the
  // message.
  Task<mail::ParsedReply> read(Millis limit);

 private:
  void send_questions();
  // Takes one line out of the stream; false: none is complete.
  bool take_line(std::string& line);
  Task<std::string> filtered(std::string line);

  Stream& stream_;
  bool pipelining_ = false;
  bool together_ = false;
  std::deque<std::string> queued_;
  std::size_t outstanding_ = 0;
  mail::ReplyParser parser_;
  std::function<void(std::string_view)> garbage_;
  Resolver* resolver_ = nullptr;
  std::string filter_;
  Replaced replaced_;
};

}  // namespace postern::smtp
