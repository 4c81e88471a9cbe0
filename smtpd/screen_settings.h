// The parameters of one postscreen row, read once for ordinary times and once
// for times of stress. What the sessions behind the screen go by is in
// settings.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/access/screen_record.h"
#include "common/config/config.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/tables/match_list.h"
#include "smtpd/screen_lists.h"
#include "smtpd/screen_rules.h"

namespace postern::smtpd {

// What follows from a failed test.
enum class ScreenAction {
  ignore,   // it is told in the log
  enforce,  // mail is refused
  drop,     // the connection ends
};

struct ScreenSettings {
  // Complaints about values go to the log.
  static ScreenSettings read(const config::Config& config,
                             const log::Log& log);

  // Opens the tables that live in memory. Before the process is locked.
  void open_tables();
  // The other lists of tables, for LookupClient::preload.
  std::vector<std::string> table_names() const;

  bool is_enabled(access::Trial trial) const { return enabled.has(trial); }

  std::string myhostname, banner, greeting;
  std::vector<ScreenRule> rules;
  tables::MatchList mynetworks, allowlist_interfaces, forbidden_commands;
  std::vector<DnsSite> sites;
  access::Trials enabled;
  ScreenAction denylist, greet, dnsbl, pipelining, non_smtp, bare_newline;
  Millis greet_wait{}, dnsbl_timeout{}, command_limit{};
  std::int64_t dnsbl_threshold, allowlist_threshold;
  std::int64_t greet_ttl, dnsbl_min_ttl, dnsbl_max_ttl, pipelining_ttl,
      non_smtp_ttl, bare_newline_ttl;  // seconds
  std::string dnsbl_reply_map, command_filter, reject_footer,
      reject_footer_maps, discard_maps, expansion_filter;
  std::int64_t pre_queue_limit, post_queue_limit, connection_count_limit,
      command_count_limit, line_limit, message_size_limit;
  unsigned discarded_keywords;
  bool disable_vrfy, helo_required, smtputf8, soft_bounce, respectful,
      respectful_by_default;
  bool tls_offered = false, tls_required = false;
};

}  // namespace postern::smtpd
