// The parameters of one smtpd row, read once: once for ordinary times and
// once for times of stress (STRESS_README of Postfix).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/access/probe_sender.h"
#include "common/access/settings.h"
#include "common/config/config.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/tables/match_list.h"
#include "common/tls/settings.h"
#include "smtpd/sasl_settings.h"

namespace postern::smtpd {

// What decides on access is spoken of everywhere here.
using namespace access;

// EHLO keywords that can be left out, as bits (smtpd_discard_ehlo_keywords).
enum Keyword : unsigned {
  keyword_8bitmime = 1u << 0,
  keyword_auth = 1u << 1,
  keyword_chunking = 1u << 2,
  keyword_dsn = 1u << 3,
  keyword_enhancedstatuscodes = 1u << 4,
  keyword_etrn = 1u << 5,
  keyword_pipelining = 1u << 6,
  keyword_silent = 1u << 7,
  keyword_size = 1u << 8,
  keyword_smtputf8 = 1u << 9,
  keyword_starttls = 1u << 10,
  keyword_vrfy = 1u << 11,
  keyword_xclient = 1u << 12,
  keyword_xforward = 1u << 13,
};
// Unknown words go to `unknown`.
unsigned parse_keywords(std::string_view text,
                        std::vector<std::string>* unknown);
std::string keywords_text(unsigned keywords);

enum class BareNewline { allow, normalize, note, reject };

// notify_classes, as Fault bits; unknown words go to `unknown`.
unsigned parse_notify_classes(std::string_view text,
                              std::vector<std::string>* unknown);

struct Settings : access::Settings {
  // Complaints about values go to the log.
  static Settings read(const config::Config& config, const log::Log& log);

  // Opens the tables that live in memory. Before the process is locked.
  void open_tables();

  std::string mail_name, banner, command_filter;
  std::string cleanup_service, content_filter, double_bounce_sender,
      error_notice_recipient, bounce_notice_recipient, reject_footer,
      reject_footer_maps, discard_maps;
  Millis timeout{}, error_sleep{};
  bool per_request_deadline, delay_open, helo_required, disable_vrfy, smtputf8,
      strict_smtputf8, strict_envelopes, allow_min_user, numeric_domain,
      client_port_logging, peername_lookup, forbid_unauth_pipelining,
      hide_client;
  std::int64_t min_data_rate, line_limit, recipient_limit,
      recipient_overshoot, junk_limit, soft_limit, hard_limit,
      history_threshold;
  std::int64_t connection_count_limit, connection_rate_limit,
      message_rate_limit, recipient_rate_limit;
  std::int64_t ipv4_prefix, ipv6_prefix;
  int bare_newline_code;
  BareNewline bare_newline;
  unsigned discarded_keywords, notify_faults;
  std::int64_t override_flags;  // receive_override_options, CleanupFlag bits
  std::string verp_delimiters, verp_delimiter_filter;
  SaslSettings sasl;
  tls::ServerSettings tls;
  std::int64_t new_tls_session_rate_limit;
  tables::MatchList event_exceptions, xclient_hosts, xforward_hosts, verp_hosts,
      bare_newline_exclusions, forbidden_commands, noop_list;
  // address_verify_sender: what it accepts is not judged.
  access::ProbeSender probe_sender;
};

}  // namespace postern::smtpd
