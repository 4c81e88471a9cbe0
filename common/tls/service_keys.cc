#include "common/tls/service_keys.h"

namespace postern::tls {
namespace {

// authd may have to be started first; a signature takes a millisecond.
constexpr Millis limit = Seconds(20);
// Sessions that wait to be kept; what is more is lost, and made anew.
constexpr std::size_t most_waiting = 100;

}  // namespace

ServiceKeys::ServiceKeys(Service& service) : link_(service, "authd") {}

Task<Result<ipc::IdentityAnswer>> ServiceKeys::identity(
    ipc::IdentityFind question) {
  co_return co_await link_.ask(std::move(question), limit);
}

Task<Result<ipc::SignAnswer>> ServiceKeys::sign(ipc::SignRequest question) {
  co_return co_await link_.ask(std::move(question), limit);
}

Task<Result<ipc::TicketKeysAnswer>> ServiceKeys::ticket_keys(
    ipc::TicketKeysFind question) {
  co_return co_await link_.ask(std::move(question), limit);
}

Task<Result<ipc::SessionAnswer>> ServiceKeys::session(
    ipc::SessionFind question) {
  co_return co_await link_.ask(std::move(question), limit);
}

void ServiceKeys::keep(ipc::SessionKeep session) {
  if (sending_.size() >= most_waiting) return;
  sending_.start(send(std::move(session)));
}

Task<void> ServiceKeys::send(ipc::SessionKeep session) {
  Result<ipc::Link*> link = co_await link_.get(limit);
  if (link) (*link)->send(session);
}

}  // namespace postern::tls
