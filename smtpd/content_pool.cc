#include "smtpd/content_pool.h"

namespace postern::smtpd {
namespace {

constexpr std::size_t most_idle = 64;
constexpr Millis link_limit = Seconds(30);

}  // namespace

Task<Result<std::unique_ptr<ipc::Link>>> ContentPool::borrow() {
  while (!idle_.empty()) {
    std::unique_ptr<ipc::Link> link = std::move(idle_.back());
    idle_.pop_back();
    if (link->open()) co_return std::move(link);
  }
  co_return co_await service_.link_to(target_, link_limit);
}

void ContentPool::give_back(std::unique_ptr<ipc::Link> link) {
  if (link->open() && idle_.size() < most_idle)
    idle_.push_back(std::move(link));
}

}  // namespace postern::smtpd
