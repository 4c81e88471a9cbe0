// The queue manager: takes messages in, hands them out, settles what comes
// back. Start reading at Manager::admit (intake.cc), then deliver (deliver.cc),
// then settle (settle.cc). Decisions are in schedule.h, concurrency.h, retry.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/messages/queue.h"
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
  // No new work; finished() of the service when no delivery is under way.
  void drain();

  // --- intake.cc ---
  // A message that cleanup has just stored.
  void admit(ipc::MessageAdmit admitted);
  // Takes in what lies in incoming and is not known.
  void scan_incoming();
  // Takes in deferred mail whose time has come; `all`: whatever its time.
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
  bool activate(const std::string& id, queue::Box from, bool verify,
                std::vector<ipc::RouteWire> routes);
  bool room() const;
  void begin(std::shared_ptr<Message> message,
             std::vector<ipc::RouteWire> routes);
  Task<void> route_then_enqueue(std::shared_ptr<Message> message);
  static std::vector<std::size_t> by_domain(
      const std::vector<ipc::RouteWire>& routes);
  std::string filter_nexthop(const std::string& said,
                             const std::string& recipient) const;
  void enqueue(const std::shared_ptr<Message>& message,
               const std::vector<ipc::RouteWire>& routes);
  void set_aside(const std::string& id, queue::Box box,
                 const std::string& why);
  Task<void> serve_cleanup(std::unique_ptr<ipc::Link> link);
  Task<void> next_scan();
  void admit_announced();

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
                                   const Entry& entry) const;
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
  void vanish(const std::shared_ptr<Message>& message);

  // settle.cc
  void closed(const std::shared_ptr<Message>& message, std::size_t recipients);
  Task<void> settle(std::shared_ptr<Message> message);
  Task<bool> send_notice(Message* message, std::string kind,
                         std::vector<std::size_t> recipients);
  Task<bool> send_notice_to(Message* message, std::string kind,
                            std::string owner,
                            std::vector<ipc::NoticeRecipient> recipients);
  using NoticeTexts = std::map<std::string, std::vector<ipc::NoticeRecipient>>;
  void tell_of(const Message& message, std::size_t index,
               const std::string& kind, NoticeTexts& texts) const;
  void remove(const Message& message);
  void put_off(Message& message, std::vector<std::size_t> deferred);

  // probes.cc
  bool count_probe(Message& message);
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
  Seconds queue_run_delay_;
  Seconds transport_retry_;
  bool soft_bounce_;
  std::set<std::string> deferred_transports_;
  tables::MatchList flush_domains_;

  std::unordered_map<std::string, std::shared_ptr<Message>> active_;
  std::unordered_map<std::string, std::unique_ptr<Transport>> transports_;
  // One link a transport, shared by its deliveries.
  std::unordered_map<std::string, std::unique_ptr<SharedLink>> agents_;
  // Deferred messages we know, with the time of their next attempt (seconds).
  std::unordered_map<std::string, std::int64_t> deferred_;
  std::deque<std::string> announced_;  // in incoming, waiting for room
  bool incoming_left_ = false;   // more lies there than the active limit allows
  bool deferred_left_ = false;
  bool draining_ = false;
  int deliveries_ = 0;
  int cleanup_links_ = 0;
  SharedLink notices_;
  Timer pump_timer_;
  Timer rescan_timer_;
  struct PumpItem final : Item {
    explicit PumpItem(Manager& m) : manager(m) {}
    void run() override { manager.pump(); }
    Manager& manager;
  } pump_item_;
  Nursery nursery_;  // last: its tasks go first
};

}  // namespace postern::qmgr
