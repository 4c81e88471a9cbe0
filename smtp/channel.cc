#include "smtp/channel.h"

#include <utility>

namespace postern::smtp {
namespace {

// A group of questions fits into any send buffer, and the answers to it into
// any receive buffer: neither side can wait for the other (RFC 2920 3.1).
constexpr std::size_t largest_group = 16384;

// Longer reply lines end the conversation. RFC 5321 4.5.3.1.5 allows 512.
constexpr std::size_t longest_line = 16384;

Millis left_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
  return left > Millis(0) ? left : Millis(0);
}

}  // namespace

void Channel::ask(std::string_view command) {
  queued_.emplace_back(command);
  queued_.back() += "\r\n";
}

void Channel::send_questions() {
  std::size_t size = 0;
  do {
    size += queued_.front().size();
    stream_.put(queued_.front());
    queued_.pop_front();
    ++outstanding_;
  } while (pipelining_ && !queued_.empty() &&
           size + queued_.front().size() <= largest_group);
}

Task<mail::ParsedReply> Channel::answer(Millis limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  if (outstanding_ == 0) {
    send_questions();
    co_await stream_.flush(limit);
  }
  --outstanding_;
  const Millis left = together_ ? left_until(deadline) : limit;
  co_return co_await read(left);
}

Task<mail::ParsedReply> Channel::read(Millis limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  std::string line;
  for (;;) {
    while (take_line(line)) {
      if (!filter_.empty()) {
        std::string received = std::exchange(line, std::string());
        line = co_await filtered(std::move(received));
      }
      const auto step = parser_.feed(line);
      if (step == mail::ReplyParser::Step::done) co_return parser_.take();
      if (step == mail::ReplyParser::Step::garbage && garbage_) garbage_(line);
    }
    if (stream_.buffered().size() > longest_line)
      throw Hangup{Hangup::Why::line_too_long, 0};
    const Millis left = left_until(deadline);
    co_await stream_.fill(left);
  }
}

Task<std::string> Channel::filtered(std::string line) {
  ipc::TableFind question;
  question.maps = filter_;
  question.keys.push_back(line);
  Result<ipc::TableAnswer> answer =
      co_await resolver_->table(std::move(question));
  if (answer && answer->found) {
    replaced_(line, answer->value);
    co_return std::move(answer->value);
  }
  if (answer) co_return std::move(line);
  // Nobody knows what the line should have been: not now.
  const bool last = line.size() < 4 || line[3] != '-';
  co_return last ? "450 4.3.0 reply filter table lookup problem"
                 : "450-4.3.0 reply filter table lookup problem";
}

bool Channel::take_line(std::string& line) {
  const std::string_view input = stream_.buffered();
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos) return false;
  line = input.substr(0, end);
  stream_.consume(end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

}  // namespace postern::smtp
