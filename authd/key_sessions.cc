#include "authd/key_sessions.h"

#include <openssl/rand.h>

#include <algorithm>

#include "common/base/panic.h"

namespace postern::authd {
namespace {

std::string random_bytes(std::size_t size) {
  std::string out(size, '\0');
  require(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()),
                     static_cast<int>(size)) == 1,
          "no random bytes");
  return out;
}

}  // namespace

// One set of keys for all rows: the lifetime of the first asker counts until
// the next rotation.
ipc::TicketKeysAnswer TicketKeys::now(Seconds lifetime,
                                      Clock::time_point now) {
  const Seconds span = std::clamp(lifetime, Seconds(60), Seconds(86400));
  if (keys_.empty() || now - keys_.front().made >= span)
    keys_.push_front({{random_bytes(16), random_bytes(32), random_bytes(32)},
                      now});
  while (now - keys_.back().made >= 2 * span) keys_.pop_back();
  ipc::TicketKeysAnswer answer;
  for (const Aged& each : keys_) answer.keys.push_back(each.key);
  const auto left = span - (now - keys_.front().made);
  answer.lasting_seconds = std::max<std::int64_t>(
      1, std::chrono::duration_cast<Seconds>(left).count());
  return answer;
}

void SessionStore::keep(const std::string& scope, ipc::SessionKeep session,
                        Clock::time_point now) {
  if (session.id.empty() || session.id.size() > longest_id ||
      session.session.size() > longest_session ||
      session.lifetime_seconds <= 0)
    return;
  const std::string key = scope + '\0' + session.id;
  const Seconds lifetime{
      std::min<std::int64_t>(session.lifetime_seconds, 100 * 86400)};
  const bool fresh =
      sessions_.insert_or_assign(key, Kept{std::move(session.session),
                                           now + lifetime})
          .second;
  if (fresh) order_.push_back(key);
  while (sessions_.size() > most && !order_.empty()) {
    sessions_.erase(order_.front());
    order_.pop_front();
  }
}

std::string SessionStore::find(const std::string& scope, const std::string& id,
                               Clock::time_point now) {
  const auto found = sessions_.find(scope + '\0' + id);
  if (found == sessions_.end()) return "";
  if (found->second.until > now) return found->second.session;
  // It keeps its place in the order until the order comes to it.
  found->second.session.clear();
  return "";
}

}  // namespace postern::authd
