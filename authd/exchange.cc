#include "authd/exchange.h"

#include <utility>

#include "authd/attempts.h"

namespace postern::authd {

std::string Exchange::client() const {
  const std::string network = network_of(session().address);
  return network.empty() ? session().address : network;
}

Task<std::optional<std::string>> Exchange::ask(std::string challenge) {
  if (cancelled_) co_return std::nullopt;
  waiting_.emplace();
  asking_ = true;
  send_(continue_line(line_.id, challenge));
  const bool in_time = co_await waiting_->wait(limit_);
  asking_ = false;
  if (!in_time) co_return std::nullopt;
  co_return waiting_->take();
}

Task<std::optional<std::string>> Exchange::first(std::string challenge) {
  if (line_.response) co_return std::exchange(line_.response, std::nullopt);
  co_return co_await ask(std::move(challenge));
}

bool Exchange::answer(std::string response) {
  if (!asking_) return false;
  asking_ = false;
  waiting_->set(std::move(response));
  return true;
}

void Exchange::cancel() {
  cancelled_ = true;
  if (asking_) waiting_->set(std::nullopt);
  asking_ = false;
}

}  // namespace postern::authd
