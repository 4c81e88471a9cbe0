#include "qmgr/manager.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::qmgr {
namespace {

queue::SpoolOptions spool_options(const config::Config& c) {
  queue::SpoolOptions options;
  options.directory = c.get<"queue_directory">();
  options.long_ids = c.get<"enable_long_queue_ids">();
  options.hashed = c.get<"hash_queue_names">();
  options.hash_depth = static_cast<int>(c.get<"hash_queue_depth">());
  return options;
}

RetryRules retry_rules(const config::Config& c) {
  RetryRules rules;
  rules.minimal_backoff = c.get<"minimal_backoff_time">().count();
  rules.maximal_backoff = c.get<"maximal_backoff_time">().count();
  rules.lifetime = c.get<"maximal_queue_lifetime">().count();
  rules.bounce_lifetime = c.get<"bounce_queue_lifetime">().count();
  rules.delay_warning = c.get<"delay_warning_time">().count();
  rules.confirm_cleared = c.get<"confirm_delay_cleared">();
  return rules;
}

tables::MatchList flush_domains(const config::Config& c) {
  tables::MatchOptions options;
  options.kind = tables::MatchOptions::Kind::domains;
  options.title = "fast_flush_domains";
  for (const std::string& word :
       split_words(c.get<"parent_domain_matches_subdomains">()))
    if (word == options.title) options.parents = true;
  return tables::MatchList::parse(c.get<"fast_flush_domains">(), options);
}

}  // namespace

Manager::Manager(Service& service)
    : service_(service),
      log_(service.log()),
      lookup_(service),
      router_(service.config(), lookup_),
      probe_router_(probe_config(service.config()), lookup_),
      probe_limit_(
          service.config().get<"address_verify_pending_request_limit">()),
      spool_(spool_options(service.config())),
      retry_(retry_rules(service.config())),
      active_limit_(service.config().get<"qmgr_message_active_limit">()),
      recipient_rules_{
          service.config().get<"qmgr_message_recipient_limit">(),
          service.config().get<"qmgr_message_recipient_minimum">()},
      clog_warn_time_(
          Millis(service.config().get<"qmgr_clog_warn_time">()).count()),
      feedback_debug_(
          service.config().get<"destination_concurrency_feedback_debug">()),
      verp_bounces_(!service.config().get<"disable_verp_bounces">()),
      queue_run_delay_(service.config().get<"queue_run_delay">()),
      transport_retry_(service.config().get<"transport_retry_time">()),
      soft_bounce_(service.config().get<"soft_bounce">()),
      flush_domains_(flush_domains(service.config())),
      notices_(service, service.config().get<"bounce_service_name">()),
      pump_timer_([this] { schedule_pump(); }),
      rescan_timer_([this] {
        scan_incoming();
        schedule_pump();
      }),
      take_in_timer_([this] { schedule_pump(); }),
      predecessor_timer_([this] { recover(); }),
      pump_item_(*this) {
  for (const std::string& name :
       split_words(service.config().get<"defer_transports">()))
    deferred_transports_.insert(name);
}

Manager::~Manager() = default;

void Manager::load() {
  router_.load();
  probe_router_.load();
  flush_domains_.open_tables(true);
}

void Manager::start() {
  service_.when_linked([this](Arrival arrival) {
    if (arrival.role == Role::cleanup)
      nursery_.start(serve_cleanup(std::move(arrival.link)));
    if (arrival.role == Role::smtpd)
      nursery_.start(serve_smtpd(std::move(arrival.link)));
  });
  service_.when_woken([this](std::string) {
    scan_incoming();
    schedule_pump();
  });
  service_.when_drained([this] { drain(); });
  recover();
  scan_incoming();
  scan_deferred(false);
  nursery_.start(run_queue());
  schedule_pump();
}

void Manager::drain() {
  draining_ = true;
  if (leaving_) leaving_();
  const auto under_way = std::count_if(
      active_.begin(), active_.end(),
      [](const auto& each) { return each.second->in_flight > 0; });
  if (under_way > 0 && service_.drained_for_reload() && lock_under_way())
    service_.tell_handed_over(under_way);
  finish_if_idle();
}

// False: one could not be locked; the successor waits for all.
bool Manager::lock_under_way() {
  for (auto& [id, message] : active_) {
    if (message->in_flight == 0) continue;
    const std::optional<queue::Box> place = place_of(*message);
    if (!place) continue;
    Result<std::optional<Fd>> lock = spool_.lock(*place, id);
    if (!lock || !*lock) {
      log_.warning("{}: {}", id, lock ? "locked by another process"
                                      : lock.trouble().text);
      return false;
    }
    message->lock = std::move(**lock);
  }
  return true;
}

// Not before what was done is on record: who was delivered, who was told of.
void Manager::finish_if_idle() {
  if (draining_ && deliveries_ == 0 && settling_ == 0) service_.finished();
}

}  // namespace postern::qmgr
