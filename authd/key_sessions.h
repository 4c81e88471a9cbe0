// What makes TLS sessions resumable at any process of the suite: keys for
// tickets, and the sessions of clients that take no tickets. In memory alone;
// after a restart clients make new sessions.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>

#include "common/ipc/messages/keys.h"
#include "common/loop/loop.h"

namespace postern::authd {

class TicketKeys {
 public:
  // A key seals for one lifetime of sessions and opens for another one: so
  // every ticket can be used for as long as it says, and no key is there for
  // longer than two lifetimes.
  ipc::TicketKeysAnswer now(Seconds lifetime, Clock::time_point now);

 private:
  struct Aged {
    ipc::TicketKeyWire key;
    Clock::time_point made;
  };
  std::deque<Aged> keys_;  // the newest first
};

class SessionStore {
 public:
  // `scope` is the asker's row: sessions of one row are unknown to others.
  void keep(const std::string& scope, ipc::SessionKeep session,
            Clock::time_point now);
  std::string find(const std::string& scope, const std::string& id,
                   Clock::time_point now);
  std::size_t size() const { return sessions_.size(); }

  static constexpr std::size_t most = 20000;
  // Neither an id nor a session is longer.
  static constexpr std::size_t longest_id = 512;
  static constexpr std::size_t longest_session = 65536;

 private:
  struct Kept {
    std::string session;
    Clock::time_point until;
  };
  std::unordered_map<std::string, Kept> sessions_;
  std::deque<std::string> order_;  // the oldest first
};

}  // namespace postern::authd
