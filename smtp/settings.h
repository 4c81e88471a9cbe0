// What the SMTP and LMTP client goes by: the parameters of its row, read once
// at start. An lmtp row reads the lmtp_ twin of each smtp_ parameter
// (lmtp(8)).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/loop/connect.h"
#include "common/loop/loop.h"
#include "common/mail/address.h"
#include "smtp/sasl_settings.h"
#include "smtp/tls_policy.h"

namespace postern::smtp {

enum class AddressPreference { any, ipv4, ipv6 };

// Ports by service name ("smtp" → 25), taken from /etc/services while the
// process can still see it.
using ServicePorts = std::map<std::string, int, std::less<>>;

struct Limits {
  Millis connect = Seconds(30);
  Millis helo = Seconds(300);
  Millis starttls = Seconds(300);
  Millis xforward = Seconds(300);
  Millis mail = Seconds(300);
  Millis rcpt = Seconds(300);
  Millis data_init = Seconds(120);
  Millis data_transfer = Seconds(180);
  Millis data_done = Seconds(600);
  Millis rset = Seconds(20);
  Millis quit = Seconds(300);
  // smtp_per_request_deadline: a limit is for a question and its answer, and
  // that of data_transfer for the content as a whole, as long as the server
  // takes smtp_min_data_rate bytes a second.
  bool together = false;
  std::int64_t data_rate = 500;
};

// A table of rules (header_checks(5)) and the parameter that names it.
struct CheckMap {
  std::string parameter;
  std::string maps;
};
struct CheckMaps {
  CheckMap header, mime, nested, body;
  bool any() const {
    return !header.maps.empty() || !mime.maps.empty() ||
           !nested.maps.empty() || !body.maps.empty();
  }
};

// smtp_generic_maps, and what generic(5) needs beside them.
struct GenericMaps {
  std::string maps;
  bool extend = false;  // propagate_unmatched_extensions has "generic"
  mail::ExtensionRules extension;
};

// Firewalls that break ESMTP, known by their greeting of asterisks
// (smtp_pix_workarounds).
struct PixWorkarounds {
  std::vector<std::string> names;  // lower case
  std::string maps;
  Millis threshold = Seconds(500);  // age of the message
  Millis delay = Seconds(10);
};

struct Settings {
  bool lmtp = false;
  std::string myhostname = "localhost";
  std::string queue_directory;
  Limits limits;

  // Where to.
  std::string relayhost;
  std::vector<std::string> fallback_relays;
  std::string default_port = "25";
  ServicePorts ports;
  bool use_dns = true;      // disable_dns_lookups, smtp_dns_support_level
  bool use_native = false;  // smtp_host_lookup
  bool use_dnssec = false;  // smtp_dns_support_level = dnssec
  bool ipv4 = true;         // inet_protocols
  bool ipv6 = true;
  AddressPreference preference = AddressPreference::any;
  bool balance_protocols = true;
  bool randomize = true;
  bool defer_if_no_mx_address = false;
  bool ignore_mx_error = false;           // ignore_mx_lookup_error
  std::vector<std::string> srv_services;  // use_srv_lookup, lower case
  bool srv_fallback = false;              // allow_srv_lookup_fallback
  bool ignore_srv_error = false;          // ignore_srv_lookup_error
  std::string best_mx_transport;
  std::size_t address_limit = 5;  // 0: none
  std::size_t session_limit = 2;  // 0: none
  // inet_interfaces and proxy_interfaces: connecting there is a mail loop.
  std::vector<std::string> own_addresses;
  std::optional<SocketAddress> bind4;
  std::optional<SocketAddress> bind6;
  bool bind_enforce = false;

  // What to say.
  std::string helo_name = "localhost";
  bool always_send_ehlo = true;
  bool never_send_ehlo = false;
  std::vector<std::string> discard_keywords;  // lower case
  std::string discard_keyword_maps;
  bool send_xforward = false;
  bool quote_envelope = true;
  std::size_t line_length_limit = 998;  // 0: none
  bool skip_5xx_greeting = true;
  bool skip_quit_response = true;
  bool send_dummy_auth = false;
  PixWorkarounds pix;

  // What is changed in messages.
  GenericMaps generic;
  CheckMaps checks;
  bool convert_8bit = true;  // disable_mime_output_conversion
  std::size_t header_size_limit = 102400;
  std::size_t address_token_limit = 10240;
  std::size_t mime_nesting_limit = 100;
  std::size_t mime_boundary_limit = 2048;
  std::size_t body_line_limit = 2048;  // line_length_limit

  TlsSettings tls;
  bool resume_tls = false;  // smtp_tls_session_cache_database is set
  std::vector<std::string> dane_digests;  // tls_dane_digests
  // A message that has waited for so long may go without TLS after a
  // handshake that failed (minimal_backoff_time).
  Millis plaintext_patience = Seconds(300);
  SaslSettings sasl;

  // Keeping connections.
  bool keep_on_demand = true;
  std::vector<std::string> keep_destinations;
  Millis keep_idle = Seconds(2);
  Millis keep_total = Seconds(300);
  int keep_uses = 0;  // 0: no limit

  // What to make of answers.
  bool soft_bounce = false;
  std::string reply_filter;
  std::string delivery_status_filter;
  bool assume_final = false;    // lmtp_assume_final
  bool verify_by_data = false;  // smtp_address_verify_target = data

  // The log.
  int delay_decimals = 2;
  bool external_addresses = true;
};

// Trouble is one line for log.fatal(). Looks at /etc/services and at the
// machine's interfaces: call it before the process gives up its rights.
Result<Settings> read_settings(const config::Config& config, bool lmtp);

// smtp_tls_*; Trouble as above. Needs out.use_dnssec.
Status read_tls_settings(const config::Config& config, bool lmtp,
                         Settings& out);
// smtp_sasl_*; opens the tables of the mechanism filter that live in memory.
Status read_sasl_settings(const config::Config& config, bool lmtp,
                          Settings& out);

// A service name or number; nullopt: no such port.
std::optional<int> parse_port(std::string_view text, const ServicePorts& ports);

}  // namespace postern::smtp
