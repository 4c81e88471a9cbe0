// Who is tried next: transports, their destinations, and what waits there.
// Pure: no clock of its own, no I/O.
//
// A transport has destinations; a destination has a queue of entries (a
// message and some of its recipients) and a concurrency window. Destinations
// of a transport take turns, so that a long queue for one does not hold up the
// others.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qmgr/concurrency.h"

namespace postern::qmgr {

struct Message;

// What one delivery request will carry.
struct Entry {
  std::shared_ptr<Message> message;
  std::vector<std::size_t> recipients;      // indexes in the envelope
  std::vector<std::string> addresses;       // as the transport wants them
  std::string nexthop;
  int tries = 0;  // lost agents
};

struct TransportRules {
  ConcurrencyRules concurrency;
  int process_limit = 100;      // deliveries at a time, all destinations
  int recipient_limit = 50;     // per request; 0: no limit
  std::int64_t rate_delay = 0;  // seconds between deliveries to a destination
  std::string delimiters;       // recipient_delimiter, a set of characters
};

class Destination {
 public:
  Destination(std::string its_key, const ConcurrencyRules& rules)
      : key(std::move(its_key)), window(rules) {}

  std::string key;
  Window window;
  std::deque<Entry> waiting;
  int busy = 0;
  // Messages on their way to the one recipient that the destination is. Two
  // recipients of a message that end in one mailbox go one after the other:
  // they arrive in the order of the envelope, and neither waits for a lock.
  std::vector<const Message*> on_the_way;
  std::int64_t not_before = 0;   // seconds: dead or rate-limited until then
  bool suspended = false;        // dead: until not_before
  std::string why;               // what made it so
  std::string why_status;
};

class Transport {
 public:
  Transport(std::string its_name, TransportRules its_rules)
      : name(std::move(its_name)), rules(std::move(its_rules)) {}

  std::string name;
  TransportRules rules;
  int busy = 0;
  std::int64_t not_before = 0;  // seconds: the agent is out of order until then

  // Recipients of a destination share a window; where a request takes one
  // recipient at a time, each recipient is a destination of its own: the local
  // part without extension, at the next hop.
  std::string destination_key(const std::string& nexthop,
                              const std::string& address) const;

  void add(const std::string& key, Entry entry, std::int64_t now);
  // The next entry that may go now; nullopt when none may. Counts it as busy.
  std::optional<std::pair<Destination*, Entry>> next(std::int64_t now);
  // An entry of `destination` with a part of `message` came back.
  void finished(Destination& destination, const Message* message,
                std::int64_t now);
  // Entries that wait for a destination which has just been declared dead.
  std::deque<Entry> take_waiting(Destination& destination);
  // Puts an entry back in front (its agent was lost).
  void put_back(Destination& destination, Entry entry);

  Destination* find(const std::string& key);
  // Forgets destinations with nothing to do and nothing to remember.
  void tidy(std::int64_t now);
  // All destinations are tried again at once (flush).
  void revive_all();
  // When something that waits may go: seconds, or nullopt.
  std::optional<std::int64_t> next_wakeup(std::int64_t now) const;
  std::size_t destinations() const { return destinations_.size(); }

 private:
  bool may_go(const Destination& destination, std::int64_t now) const;

  std::list<Destination> destinations_;  // in the order of their turns
  std::unordered_map<std::string, std::list<Destination>::iterator> by_key_;
};

}  // namespace postern::qmgr
