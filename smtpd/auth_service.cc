#include "smtpd/auth_service.h"

#include <unistd.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::smtpd {
namespace {

using Kind = AuthServerLine::Kind;

constexpr Millis connect_limit = Seconds(10);
constexpr Millis handshake_limit = Seconds(10);
// Servers slow down who guesses passwords: Dovecot by 15 s at most.
constexpr Millis answer_limit = Seconds(30);
// How long a connection without a line from the server is kept.
constexpr Millis longest_silence = std::chrono::hours(24);

constexpr std::size_t longest_line = 65536;
constexpr std::size_t most_handshake_lines = 1000;
constexpr std::size_t most_mechanisms = 64;
// More than this not yet taken by the server: it is stuck.
constexpr std::size_t most_unsent = 1u << 20;

constexpr const char* no_answer = "Connection lost to authentication server";

}  // namespace

// A session that waits for the handshake.
class AuthService::Waiting {
 public:
  explicit Waiting(AuthService& owner) : owner_(owner) {
    owner_.waiting_.push_back(this);
  }
  ~Waiting() { std::erase(owner_.waiting_, this); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  Promised<bool> settled;

 private:
  AuthService& owner_;
};

AuthService::AuthService(AuthBackend& backend, const log::Log& log)
    : backend_(backend), log_(log) {}
AuthService::~AuthService() = default;

void AuthService::begin() {
  if (ready_ || connecting_) return;
  connecting_ = true;
  last_attempt_ = Clock::now();
  nursery_.start(live());
}

void AuthService::refresh(Millis between) {
  if (Clock::now() - last_attempt_ >= between) begin();
}

Task<bool> AuthService::reach(Millis limit) {
  begin();
  if (connecting_) {
    Waiting asker(*this);
    co_await asker.settled.wait(limit);
  }
  co_return ready_;
}

// The life of one connection.
Task<void> AuthService::live() {
  Result<Fd> made = co_await backend_.connect(connect_limit);
  if (!made) {
    log_.warning("SASL: Connect to {} failed: {}", backend_.name(),
                 made.trouble().text);
    settle();
    co_return;
  }
  stream_ = std::make_unique<Stream>(std::move(*made));
  const char* how = nullptr;
  try {
    co_await converse();
  } catch (const Hangup& hangup) {
    how = hangup.why == Hangup::Why::timed_out      ? "no answer in time"
          : hangup.why == Hangup::Why::line_too_long ? "a line is too long"
                                                     : "connection lost";
  }
  lost(how == nullptr ? "it does not speak the protocol" : how);
}

// Ends by a Hangup, or when the server says what nobody understands.
Task<void> AuthService::converse() {
  co_await shake_hands();
  if (!ready_) co_return;
  settle();
  for (;;) {
    const std::string text = co_await next_line(longest_silence);
    AuthServerLine line = parse_auth_line(text);
    if (line.kind == Kind::broken) co_return;
    deliver(std::move(line));
  }
}

Task<void> AuthService::shake_hands() {
  stream_->put(auth_handshake(::getpid()));
  stream_->push();
  const Clock::time_point deadline = Clock::now() + handshake_limit;
  std::vector<Mechanism> offered;
  bool versioned = false;
  for (std::size_t lines = 0; lines < most_handshake_lines; ++lines) {
    const auto left =
        std::chrono::duration_cast<Millis>(deadline - Clock::now());
    const std::string text = co_await next_line(std::max(left, Millis(0)));
    AuthServerLine line = parse_auth_line(text);
    if (line.kind == Kind::broken) co_return;
    if (line.kind == Kind::version) {
      if (line.major != 1) co_return;
      versioned = true;
    }
    if (line.kind == Kind::mechanism && offered.size() < most_mechanisms)
      offered.push_back(std::move(line.mechanism));
    if (line.kind == Kind::done) {
      if (!versioned) co_return;
      mechanisms_ = std::move(offered);
      ready_ = true;
      co_return;
    }
  }
}

Task<std::string> AuthService::next_line(Millis limit) {
  for (;;) {
    const std::string_view input = stream_->buffered();
    const std::size_t end = input.find('\n');
    if (end != std::string_view::npos) {
      std::string line(input.substr(0, end));
      stream_->consume(end + 1);
      co_return line;
    }
    if (input.size() > longest_line)
      throw Hangup{Hangup::Why::line_too_long, 0};
    co_await stream_->fill(limit);
  }
}

void AuthService::deliver(AuthServerLine line) {
  if (line.kind != Kind::more && line.kind != Kind::success &&
      line.kind != Kind::failure)
    return;
  // One that has gone meanwhile is not missed.
  const auto found = exchanges_.find(line.id);
  if (found == exchanges_.end()) return;
  AuthReply reply;
  reply.text = std::move(line.text);
  reply.user = std::move(line.user);
  reply.what = line.kind == Kind::more      ? AuthReply::What::challenge
               : line.kind == Kind::success ? AuthReply::What::success
               : line.temporary             ? AuthReply::What::temporary
                                            : AuthReply::What::failure;
  found->second->answered(std::move(reply));
}

// The attempt is over, one way or the other.
void AuthService::settle() {
  connecting_ = false;
  const std::vector<Waiting*> waiting = waiting_;
  for (Waiting* each : waiting) each->settled.set(true);
}

void AuthService::lost(const char* how) {
  if (!ready_)
    log_.warning("SASL: Handshake with {} failed: {}", backend_.name(), how);
  else if (!exchanges_.empty())
    log_.warning("SASL: Connection to {} ended: {}; {} under way",
                 backend_.name(), how, exchanges_.size());
  ready_ = false;
  stream_.reset();
  const std::map<std::uint32_t, AuthExchange*> cut_off =
      std::exchange(exchanges_, {});
  for (const auto& [id, exchange] : cut_off) {
    exchange->id_ = 0;
    exchange->lost_ = true;
    exchange->answered({AuthReply::What::temporary, no_answer, ""});
  }
  settle();
}

bool AuthService::send(const std::string& line) {
  if (!ready_ || stream_->unsent() > most_unsent) return false;
  stream_->put(line);
  stream_->push();
  return true;
}

AuthExchange::~AuthExchange() { leave(); }

// The answer, if it still comes, is nobody's.
void AuthExchange::leave() {
  if (id_ == 0) return;
  const std::uint32_t id = std::exchange(id_, 0);
  service_.exchanges_.erase(id);
  service_.send(auth_cancel(id));
}

void AuthExchange::answered(AuthReply reply) {
  // A server that speaks when it was not asked is not listened to.
  if (!answer_ || answer_->is_set()) return;
  const bool last = reply.what != AuthReply::What::challenge;
  if (last && id_ != 0) service_.exchanges_.erase(std::exchange(id_, 0));
  answer_->set(std::move(reply));
}

// A connection that was lost while nobody looked is found out by using it: so
// once more, over a new one.
Task<AuthReply> AuthExchange::first(AuthStart start) {
  AuthReply reply;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool reached = co_await service_.reach(connect_limit);
    if (!reached) co_return AuthReply();
    if (++service_.last_id_ == 0) ++service_.last_id_;
    id_ = service_.last_id_;
    service_.exchanges_[id_] = this;
    lost_ = false;
    reply = co_await ask(auth_request(id_, start));
    if (!lost_) break;
  }
  co_return reply;
}

Task<AuthReply> AuthExchange::next(std::string response) {
  if (id_ == 0)
    co_return AuthReply{AuthReply::What::temporary, no_answer, ""};
  co_return co_await ask(auth_continue(id_, response));
}

Task<AuthReply> AuthExchange::ask(std::string line) {
  answer_.emplace();
  const bool sent = service_.send(line);
  if (!sent) {
    leave();
    co_return AuthReply();
  }
  const bool in_time = co_await answer_->wait(answer_limit);
  if (in_time) co_return answer_->take();
  leave();
  co_return AuthReply{AuthReply::What::temporary,
                      "authentication server does not answer", ""};
}

}  // namespace postern::smtpd
