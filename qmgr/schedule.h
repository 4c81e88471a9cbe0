// Who is tried next: transports, their destinations, and what waits there.
// Pure: no clock of its own, no I/O. Times are milliseconds of any clock that
// does not go back.
//
// A transport has jobs (what one message has for it) in the order in which the
// messages came, and destinations with a concurrency window. What goes next is
// the first job's that has something for a destination with room; its
// destinations take turns. A job with few entries may go before one with many
// once that has earned the delay: preempt.h, SCHEDULER_README.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qmgr/concurrency.h"
#include "qmgr/preempt.h"
#include "qmgr/recipients.h"

namespace postern::qmgr {

struct Message;

// What one delivery request will carry.
struct Entry {
  std::shared_ptr<Message> message;
  std::vector<std::size_t> recipients;      // indexes in the envelope
  std::vector<std::string> addresses;       // as the transport wants them
  std::string nexthop;
  std::size_t bytes = 0;  // of addresses, about
  int tries = 0;          // lost agents
};

struct TransportRules {
  ConcurrencyRules concurrency;
  PreemptRules preempt;
  PoolRules pool;
  int process_limit = 100;      // deliveries at a time, all destinations
  int recipient_limit = 50;     // per request; 0: no limit
  std::int64_t rate_delay = 0;  // between deliveries to a destination
  std::int64_t transport_rate_delay = 0;  // between any two
  std::string delimiters;       // recipient_delimiter, a set of characters
};

// Place of a job among those of its transport; the smaller one goes first.
using Rank = std::pair<double, std::uint64_t>;

struct Job;

class Destination {
 public:
  Destination(std::string its_key, const ConcurrencyRules& rules)
      : key(std::move(its_key)), window(rules) {}

  std::string key;
  Window window;
  int busy = 0;
  std::int64_t not_before = 0;   // dead or rate-limited until then
  bool suspended = false;        // dead: until not_before
  std::string why;               // what made it so
  std::string why_status;
  std::int64_t warned_of_clog = 0;

  std::size_t waiting() const { return waiting_; }

 private:
  friend class Transport;
  struct Peer {  // what one job has for this destination
    Job* job = nullptr;
    std::deque<Entry> entries;
  };
  std::map<Rank, Peer> peers_;
  std::size_t waiting_ = 0;
  // Messages on their way to the one recipient that the destination is. Two
  // recipients of a message that end in one mailbox go one after the other:
  // they arrive in the order of the envelope, and neither waits for a lock.
  std::vector<const Message*> on_the_way_;
  std::uint64_t turn_ = 0;  // when it was served last
  // What it is listed under now, in Transport::ready_ or sleeping_.
  std::optional<std::pair<Rank, std::uint64_t>> ready_as_;
  std::optional<std::int64_t> sleeping_until_;
};

class Transport {
 public:
  Transport(std::string its_name, TransportRules its_rules);
  ~Transport();

  std::string name;
  TransportRules rules;
  int busy = 0;
  std::int64_t not_before = 0;  // the agent is out of order until then

  // Recipients of a destination share a window; where a request takes one
  // recipient at a time, each recipient is a destination of its own: the local
  // part without extension, at the next hop.
  std::string destination_key(const std::string& nexthop,
                              const std::string& address) const;

  // `order`: of its message among all; what the message has not yet in memory
  // counts with set_unread.
  Destination& add(const std::string& key, Entry entry, std::uint64_t order,
                   std::int64_t now);
  // The message has so many recipients that nobody has sorted yet, perhaps for
  // this transport.
  void set_unread(const Message& message, std::size_t recipients);

  // The next entry that may go now; nullopt when none may. Counts it as busy.
  std::optional<std::pair<Destination*, Entry>> next(std::int64_t now);
  // An entry of `destination` with a part of `message` came back; `window` may
  // have changed since next().
  void finished(Destination& destination, const Message* message,
                std::int64_t now, std::size_t recipients = 1);
  // The destination is dead until `until`.
  void suspend(Destination& destination, std::int64_t until);
  // Entries that wait for a destination which has just been declared dead.
  std::deque<Entry> take_waiting(Destination& destination);
  // Puts an entry back in front (its agent was lost).
  void put_back(Destination& destination, Entry entry, std::uint64_t order,
                std::int64_t now);

  Destination* find(const std::string& key);
  // Forgets destinations with nothing to do and nothing to remember; `all`:
  // those that are dead, too.
  void tidy(std::int64_t now, bool all = false);
  // All destinations are tried again at once (flush).
  void revive_all();
  // When something that waits may go; nullopt: not by time alone.
  std::optional<std::int64_t> next_wakeup(std::int64_t now) const;
  std::size_t destinations() const { return destinations_.size(); }
  std::size_t jobs() const { return jobs_.size(); }
  // Recipients of entries that wait or are under way.
  std::size_t recipients() const { return recipients_; }

 private:
  using Turn = std::pair<std::pair<Rank, std::uint64_t>, Destination*>;
  using SizeKey = std::tuple<std::size_t, std::uint64_t, Job*>;
  Job& job_of(const Entry& entry, std::uint64_t order, std::int64_t now);
  void put(Destination& destination, Entry entry, std::uint64_t order,
           std::int64_t now, bool in_front);
  void list(Destination& destination);
  void unlist(Destination& destination);
  void resize(Job& job, std::ptrdiff_t entries, std::ptrdiff_t recipients);
  void drop_if_done(Job& job);
  void detach(Job& job, Destination& destination);
  bool has_room(const Destination& destination) const;
  bool ready(const Job& job) const;
  Job* candidate(const Job& current, std::int64_t now) const;
  bool move_before(Job& job, const Job& current);
  void wake(std::int64_t now);

  std::list<Destination> destinations_;
  std::unordered_map<std::string, std::list<Destination>::iterator> by_key_;
  std::map<Rank, std::unique_ptr<Job>> jobs_;
  std::unordered_map<const Message*, Job*> by_message_;
  std::set<SizeKey> by_size_;  // jobs by entries that wait, then by age
  std::set<Turn> ready_;       // destinations that may be given something
  std::set<std::pair<std::int64_t, Destination*>> sleeping_;
  std::size_t recipients_ = 0;
  std::uint64_t turns_ = 0;
};

}  // namespace postern::qmgr
