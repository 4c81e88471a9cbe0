#include "cleanup/recovery.h"

#include <string>
#include <vector>

namespace postern::cleanup {

Task<void> remove_debris_twice(queue::Spool* spool, const log::Log* log,
                               Millis again) {
  co_await remove_debris(spool, log);
  co_await pause(again);
  co_await remove_debris(spool, log);
}

Task<void> remove_debris(queue::Spool* spool, const log::Log* log) {
  constexpr std::size_t at_once = 50;
  std::vector<std::string> names;
  const Status done =
      spool->scan(queue::Box::incoming, [&names](const std::string& name) {
        names.push_back(name);
        return true;
      });
  if (!done) log->warning(done.trouble().text);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (spool->remove_abandoned(names[i]))
      log->info("{}: removed: not finished when its writer died", names[i]);
    if (i % at_once == at_once - 1) {
      co_await pause(Millis(1));
    }
  }
}

}  // namespace postern::cleanup
