#include "common/access/policy_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace postern::access {
namespace {

// Connections of one service that are kept open without a question.
constexpr std::size_t most_idle = 100;

std::string key_of(const PolicyService& service) {
  return fmt::format("{} {} {} {}", service.endpoint.text(),
                     service.max_idle.count(), service.max_ttl.count(),
                     service.request_limit);
}

std::string reason(const Hangup& hangup) {
  switch (hangup.why) {
    case Hangup::Why::timed_out: return "Connection timed out";
    case Hangup::Why::broken: return std::strerror(hangup.error);
    default: return "lost connection";
  }
}

}  // namespace

PolicyClient::PolicyClient(const log::Log& log, Dial dial)
    : log_(log), dial_(std::move(dial)), sweeper_([this] { sweep(); }) {}

std::size_t PolicyClient::idle() const {
  std::size_t count = 0;
  for (const auto& [key, pool] : idle_) count += pool.size();
  return count;
}

// The one that was used last: the others may grow old and go.
std::unique_ptr<PolicyClient::Connection> PolicyClient::take_idle(
    const PolicyService& service) {
  const auto found = idle_.find(key_of(service));
  if (found == idle_.end()) return nullptr;
  Pool& pool = found->second;
  while (!pool.empty()) {
    std::unique_ptr<Connection> connection = std::move(pool.back());
    pool.pop_back();
    const auto now = Clock::now();
    // A server that speaks out of turn answers nobody knows what.
    const bool spoken = connection->stream.poll() ||
                        !connection->stream.buffered().empty();
    if (!spoken && now - connection->used < service.max_idle &&
        now - connection->made < service.max_ttl)
      return connection;
  }
  return nullptr;
}

void PolicyClient::keep(const PolicyService& service,
                        std::unique_ptr<Connection> connection) {
  const bool worn = service.request_limit > 0 &&
                    connection->requests >= service.request_limit;
  if (worn || Clock::now() - connection->made >= service.max_ttl) return;
  connection->used = Clock::now();
  Pool& pool = idle_[key_of(service)];
  pool.push_back(std::move(connection));
  if (pool.size() > most_idle) pool.pop_front();
  longest_idle_ = std::max(longest_idle_, service.max_idle);
  if (!sweeper_.running()) sweeper_.start(longest_idle_);
}

// Closes what nobody has used for so long. take_idle looks closer.
void PolicyClient::sweep() {
  const auto now = Clock::now();
  bool any = false;
  for (auto& [key, pool] : idle_) {
    std::erase_if(pool, [&](const std::unique_ptr<Connection>& each) {
      return now - each->used >= longest_idle_;
    });
    any = any || !pool.empty();
  }
  if (any) sweeper_.start(longest_idle_);
}

Task<Result<std::string>> PolicyClient::ask(const PolicyService* service,
                                            std::string request) {
  for (std::int64_t attempt = 1;; ++attempt) {
    Result<std::string> answer = co_await ask_once(service, request);
    if (answer) co_return std::move(answer);
    log_.warning("problem talking to server {}: {}", service->name,
                 answer.trouble().text);
    if (attempt >= service->try_limit) co_return answer.trouble();
    co_await pause(service->retry_delay);
  }
}

// A connection that was idle may be closed by now: that is no failure, a new
// one is made for the same question.
Task<Result<std::string>> PolicyClient::ask_once(const PolicyService* service,
                                                 std::string request) {
  std::unique_ptr<Connection> connection = take_idle(*service);
  if (connection) {
    Result<std::string> answer =
        co_await exchange(connection.get(), request, service->timeout);
    if (answer) {
      keep(*service, std::move(connection));
      co_return std::move(answer);
    }
    if (answer.trouble().lasting == Lasting::permanent)
      co_return answer.trouble();
    connection.reset();
  }
  config::Endpoint endpoint = service->endpoint;
  Result<Fd> socket = co_await dial_(std::move(endpoint), service->timeout);
  if (!socket) {
    log_.warning("connect to {}: {}", service->name, socket.trouble().text);
    co_return socket.trouble();
  }
  connection = std::make_unique<Connection>(std::move(*socket));
  Result<std::string> answer =
      co_await exchange(connection.get(), std::move(request), service->timeout);
  if (answer) keep(*service, std::move(connection));
  co_return std::move(answer);
}

// Trouble is temporary where the connection was closed under the question.
Task<Result<std::string>> PolicyClient::exchange(Connection* connection,
                                                 std::string request,
                                                 Millis limit) {
  ++connection->requests;
  std::optional<Hangup> hangup;
  try {
    connection->stream.put(request);
    co_await connection->stream.flush(limit);
    Result<std::string> action = co_await receive(connection, limit);
    co_return std::move(action);
  } catch (const Hangup& why) {
    hangup = why;
  }
  if (hangup->why == Hangup::Why::timed_out)
    co_return give_up("3.0", reason(*hangup));
  co_return try_later("3.0", reason(*hangup));
}

// The limit is for the whole answer.
Task<Result<std::string>> PolicyClient::receive(Connection* connection,
                                                Millis limit) {
  const auto end = Clock::now() + limit;
  PolicyAnswer answer;
  for (;;) {
    std::size_t used = 0;
    const PolicyAnswer::Step step =
        answer.feed(connection->stream.buffered(), used);
    connection->stream.consume(used);
    if (step == PolicyAnswer::Step::done) co_return answer.action();
    if (step == PolicyAnswer::Step::bad)
      co_return give_up("3.0", answer.why());
    const auto left =
        std::chrono::duration_cast<Millis>(end - Clock::now());
    co_await connection->stream.fill(std::max(left, Millis(0)));
  }
}

}  // namespace postern::access
