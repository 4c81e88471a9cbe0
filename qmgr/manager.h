// The queue manager: takes messages in, hands them out, settles what comes
// back. Start reading at Manager::admit (intake.cc), then sort_out (reading.cc),
// deliver (deliver.cc), settle (settle.cc). Decisions are in schedule.h,
// preempt.h, concurrency.h, recipients.h, retry.h.
#pragma once

#include <cstdint>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/messages/queue.h"
#include "common/queue/names.h"
#include "common/queue/spool.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "common/service/service.h"
#include "common/tables/match_list.h"
#include "qmgr/message.h"
#include "qmgr/retry.h"
#include "qmgr/schedule.h"

namespace postern::qmgr {

// Time of day; the schedule needs whole seconds, log lines microseconds.
std::int64_t now_seconds();
std::int64_t now_microseconds();
// What schedules go by: milliseconds of a clock that does not jump.
std::int64_t now_steady();

// With what address_verify_… says in place of the ordinary routes.
config::Config probe_config(const config::Config& config);

class Manager {
 public:
  explicit Manager(Service& service);
  ~Manager();

  // Before the profile is applied: memory tables of domain lists.
  void load();
  // First scan, links, timers.
  void start();
  // No new work; finished() of the service when no delivery is under way. Where
  // a successor waits, files of messages under way are locked until they are
  // settled, and it has the rest at once.
  void drain();
  // Called when that begins.
  void when_leaving(std::function<void()> callback) {
    leaving_ = std::move(callback);
  }

  // --- intake.cc ---
  // A message that cleanup has just stored.
  void admit(ipc::MessageAdmit admitted);
  // Takes in, from now on and as there is room, what lies in incoming and is
  // not known.
  void scan_incoming();
  // The same of deferred mail whose time has come; `all`: whatever its time.
  void scan_deferred(bool all);

  // --- control.cc ---
  // The administrator's wishes: everything deferred, one message, one site.
  void flush_all();
  bool flush_message(const std::string& id);
  // "ok", "deny" (not one of fast_flush_domains), "bad", "unavailable".
  Task<std::string> flush_site(std::string domain);

  queue::Spool& spool() { return spool_; }
  const Message* active(const std::string& id) const;
  Service& service() { return service_; }
  const log::Log& log() const { return log_; }

 private:
  // intake.cc
  void recover();
  bool activate(const std::string& id, queue::Box from, bool verify);
  bool room() const;
  void begin(std::shared_ptr<Message> message, queue::Enveloped read,
             std::vector<ipc::RouteWire> routes);
  void set_aside(const std::string& id, queue::Box box,
                 const std::string& why);
  Task<void> serve_cleanup(std::unique_ptr<ipc::Link> link);
  Task<void> run_queue();
  void take_in();
  bool take_incoming();
  bool take_deferred();
  // One queue that is looked through, name by name.
  struct Scan {
    std::optional<queue::Names> names;  // under way
    std::vector<std::string> read;      // names not yet looked at, last first
    bool again = false;                 // asked for meanwhile
    timespec began{};
  };
  void start_scan(Scan& scan, queue::Box box);
  std::optional<std::string> next_name(Scan& scan, queue::Box box);

  // reading.cc
  Task<void> sort_out(std::shared_ptr<Message> message,
                      std::vector<std::size_t> indexes,
                      std::vector<ipc::RouteWire> routes);
  void enqueue(const std::shared_ptr<Message>& message,
               const std::vector<std::size_t>& indexes,
               const std::vector<ipc::RouteWire>& routes,
               const std::string& filter);
  std::string filter_nexthop(const std::string& said,
                             const std::string& recipient) const;
  void read_more();
  void read_on(const std::shared_ptr<Message>& message);
  void read_batch(const std::shared_ptr<Message>& message, std::int64_t most);
  void take_recipient(Message& message, std::size_t index,
                      queue::Recipient recipient);
  void forget_recipient(Message& message, std::size_t index);
  void set_unread(Message& message, std::int64_t unread);
  Result<queue::Envelope> head_of(const Message& message) const;
  void warn_of_clog(const Transport& transport, Destination& destination);

  // control.cc
  Task<Result<bool>> flushable(std::string domain);
  Task<void> serve_smtpd(std::unique_ptr<ipc::Link> link);

  // deliver.cc
  Transport& transport(const std::string& name);
  TransportRules rules_for(const std::string& name) const;
  void pump();
  void schedule_pump();
  Task<void> deliver(Transport* transport, Destination* destination,
                     Entry entry);
  Task<Result<ipc::DeliverReport>> ask_agent(Transport* transport,
                                             ipc::DeliverRequest request);
  ipc::DeliverRequest make_request(const Transport& transport,
                                   const Entry& entry,
                                   const queue::Envelope& head) const;
  void judge(Message& message, std::size_t index,
             const ipc::DeliverResult& result);
  bool builtin(const std::string& program) const;
  std::string program_of(const std::string& transport) const;
  ipc::DeliverReport deliver_builtin(const std::string& program,
                                     const Entry& entry);
  void apply(const Entry& entry, const ipc::DeliverReport& report);
  void pass_on(const Transport& from, const Entry& entry,
               const std::string& destination);
  void feedback(Transport& transport, Destination& destination,
                const ipc::DeliverReport& report);
  void suspend(Transport& transport, Destination& destination,
               const std::string& status, const std::string& why);
  // Defers all recipients of an entry, saying why, as the retry service.
  void defer_entry(const Entry& entry, const std::string& status,
                   const std::string& text);
  // The same of one that will not go to an agent.
  void put_off_entry(const Entry& entry, const std::string& status,
                     const std::string& text);
  void vanish(const std::shared_ptr<Message>& message);
  Feedback feedback_for(const std::string& name, const char* suffix,
                        const char* fallback) const;

  // settle.cc
  void closed(const std::shared_ptr<Message>& message, std::size_t recipients);
  Task<void> settle(std::shared_ptr<Message> message);
  Task<void> conclude(Message* message);
  bool remove(const Message& message);
  bool put_off(Message& message);
  std::optional<queue::Box> place_of(const Message& message);
  void finish_if_idle();
  bool lock_under_way();
  void recover_one(const std::string& id);

  // telling.cc
  void add_told(const Message& message, std::size_t index,
                const queue::Recipient& recipient, const std::string& kind,
                const ipc::DeliverResult& result,
                std::vector<Told>& told) const;
  Task<bool> send_notice(Message* message, std::string kind, std::string owner,
                         std::vector<ipc::NoticeRecipient> recipients);
  Task<bool> tell_owner(Message* message, std::string kind, std::string owner,
                        std::vector<Told> told, bool mark);
  Task<bool> tell(Message* message, std::string kind, std::vector<Told> told,
                  bool mark);
  void tell_in_time(const std::shared_ptr<Message>& message);
  Task<void> tell_part(std::shared_ptr<Message> message, std::string kind,
                       std::vector<Told> told);
  void gather_deferred(Message& message);
  Task<bool> tell_deferred(Message* message, std::string kind);

  // probes.cc
  bool count_probe(Message& message);
  void judge_probe(Message& message, const ipc::DeliverResult& result);
  Task<bool> tell_of_probe(Message* message);

  Service& service_;
  log::Log log_;
  route::LookupClient lookup_;
  route::Router router_;
  route::Router probe_router_;  // address_verify_transport_maps, …
  std::int64_t probes_ = 0;     // active ones
  std::int64_t probe_limit_;
  queue::Spool spool_;
  RetryRules retry_;
  std::int64_t active_limit_;
  RecipientRules recipient_rules_;
  std::int64_t clog_warn_time_;  // milliseconds; 0: never
  bool feedback_debug_;
  bool verp_bounces_;
  Seconds queue_run_delay_;
  Seconds transport_retry_;
  bool soft_bounce_;
  std::set<std::string> deferred_transports_;
  tables::MatchList flush_domains_;

  std::unordered_map<std::string, std::shared_ptr<Message>> active_;
  std::unordered_map<std::string, std::unique_ptr<Transport>> transports_;
  // One link a transport, shared by its deliveries.
  std::unordered_map<std::string, std::unique_ptr<SharedLink>> agents_;
  // Messages with recipients that are not in memory, by age.
  std::set<std::pair<std::uint64_t, Message*>> unread_;
  std::map<std::uint64_t, std::shared_ptr<Message>> wants_more_;
  std::int64_t in_memory_ = 0;  // recipients
  std::uint64_t orders_ = 0;
  std::deque<std::string> announced_;  // in incoming, waiting for room
  Scan incoming_;
  Scan deferred_;
  bool deferred_all_ = false;  // whatever their time
  bool draining_ = false;
  std::function<void()> leaving_;
  // Some in active are in the hands of a predecessor that drains.
  bool of_predecessor_ = false;
  int deliveries_ = 0;
  int settling_ = 0;  // tasks that tell of recipients or end a cycle
  int cleanup_links_ = 0;
  SharedLink notices_;
  Timer pump_timer_;
  Timer rescan_timer_;
  Timer take_in_timer_;  // after other work
  Timer predecessor_timer_;
  struct PumpItem final : Item {
    explicit PumpItem(Manager& m) : manager(m) {}
    void run() override { manager.pump(); }
    Manager& manager;
  } pump_item_;
  Nursery nursery_;  // last: its tasks go first
};

}  // namespace postern::qmgr
