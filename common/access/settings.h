// The parameters that access decisions read, once at the start of a process.
// smtpd's own settings (smtpd/settings.h) are these and more.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/access/policy.h"
#include "common/access/restrictions.h"
#include "common/config/config.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/tables/match_list.h"

namespace postern::access {

struct RestrictionSet {
  RestrictionList client, helo, sender, relay, recipient, data, end_of_data,
      etrn;
  RestrictionClasses classes;

  // Of all stages, and of the classes.
  std::vector<const RestrictionList*> all() const;
};

// unverified_sender_… and unverified_recipient_….
struct Unverified {
  int reject_code = 450, defer_code = 450;
  std::string reason;
  bool defer_now = false;  // _tempfail_action = defer
};

struct Settings {
  std::string myhostname, null_access_key, expansion_filter, delimiters;
  bool delay_reject, soft_bounce, reject_unlisted_recipient,
      reject_unlisted_sender, relay_first, allow_untrusted_routing,
      parents_in_client_access, stressed, sasl_enabled;
  // receive_override_options = no_unknown_recipient_checks
  bool know_all = false;
  std::int64_t message_size_limit;
  int reject_code, defer_code, invalid_hostname_code, non_fqdn_code,
      multi_recipient_code, plaintext_code, relay_code, map_reject_code,
      map_defer_code, unknown_address_code, unknown_client_code,
      unknown_hostname_code, rbl_code;
  // unknown_local_recipient_reject_code and its sisters, by name.
  std::map<std::string, int, std::less<>> unlisted_codes;
  // _tempfail_action = defer
  bool defer_unknown_address, defer_unknown_helo;

  std::string rbl_reply, rbl_reply_maps;
  std::string login_maps;  // smtpd_sender_login_maps
  std::string relay_clientcerts;
  std::vector<std::string> old_rbl_domains;  // maps_rbl_domains
  Unverified unverified_sender, unverified_recipient;
  Millis verify_wait{};  // for a probe's end

  RestrictionSet restrictions;
  // By the argument of check_policy_service.
  std::map<std::string, PolicyService, std::less<>> policies;
  std::vector<std::string> own_addresses;
  tables::MatchList mynetworks, backup_networks, log_permits;
  // The local host by its names (permit_mx_backup).
  tables::MatchList proxy_addresses;
  // local_header_rewrite_clients
  RestrictionList local_clients;

  // Opens the tables that live in memory. Before the process is locked.
  void open_tables();
  // The lists of tables that restrictions and replies name.
  std::vector<std::string> table_names() const;
};

// Complaints about values go to the log.
void read(Settings& settings, const config::Config& config,
          const log::Log& log);

// A parameter that is a list of hosts and networks, or of strings.
tables::MatchList host_list(const config::Config& config, const log::Log& log,
                            const char* name);
tables::MatchList string_list(const config::Config& config,
                              const log::Log& log, const char* name);

// The fatal complaint when no restriction keeps strangers from relaying; ""
// when one does.
std::string relay_protection_fault(const RestrictionSet& set);

}  // namespace postern::access
