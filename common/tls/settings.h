// The TLS parameters of a row of master.conf, read and checked once.
// Next: context.h, which makes OpenSSL contexts of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/loop/loop.h"
#include "common/tls/ciphers.h"
#include "common/tls/protocols.h"

namespace postern::tls {

// What servers and clients have in common (the tls_* parameters).
struct CommonSettings {
  CipherGrades grades;
  std::string curves;         // for OpenSSL, ":" between; empty: its own
  bool no_curves = false;     // smtpd_tls_eecdh_grade = none
  std::uint64_t options_off = 0;  // tls_disable_workarounds
  std::uint64_t options_on = 0;   // tls_ssl_options
  std::string ca_file, ca_path;
  bool append_default_ca = false;
  std::string digest;         // of fingerprints, as OpenSSL names it
  bool legacy_key_digest = false;  // tls_legacy_public_key_fingerprints
  int verify_depth = 9;
  int log_level = 0;          // 0 to 4
};

struct ServerSettings {
  CommonSettings common;
  bool offered = false;    // level may or encrypt, or wrapper mode
  bool required = false;   // level encrypt, or wrapper mode
  bool wrapper = false;
  bool ask_certificate = false;      // smtpd_tls_ask_ccert or _req_ccert
  bool require_certificate = false;  // where TLS is required
  bool received_header = false;
  bool preempt_ciphers = false;
  bool by_name = false;  // tls_server_sni_maps is set
  bool no_certificate = false;  // smtpd_tls_cert_file = none
  std::string dh_file;          // empty or "auto": built in; "none"
  Protocols protocols;
  std::string ciphers;
  Millis session_lifetime{0};  // 0: sessions are not resumed
  bool keep_sessions = false;  // smtpd_tls_session_cache_database is set
  bool session_ids = false;
  std::string ticket_cipher;   // empty: no tickets
  Millis handshake_limit{0};   // smtpd_starttls_timeout
  // Scope of resumption: sessions of one row are not resumed at another.
  std::string scope;  // the row's name

  // Why TLS is not available although it is asked for: one line for the log;
  // empty when all is well.
  std::string fault;
  // Values that are no longer of use, or that cannot have effect.
  std::vector<std::string> remarks;

  static ServerSettings read(const config::Config& config);
};

// Of smtp ("smtp") and lmtp ("lmtp") rows: the parameters that do not depend
// on the destination. Those that do are in a Wish (client.h).
struct ClientSettings {
  CommonSettings common;
  std::string trust_anchor_file;  // …_tls_trust_anchor_file
  bool has_certificate = false;   // one is configured for the client
  std::string fault;  // as above
  std::vector<std::string> remarks;
  static ClientSettings read(const config::Config& config,
                             const std::string& prefix);
};

// The digest as OpenSSL names it, and whether a fingerprint is made of it:
// "sha256". Trouble when there is no such digest.
Result<std::string> known_digest(const std::string& name);

// OpenSSL's option bits by name ("NO_TICKET", "no_compression") or number
// ("0x4000"), and those of its workarounds; trouble names the unknown word.
Result<std::uint64_t> parse_options(std::string_view list);
Result<std::uint64_t> parse_workarounds(std::string_view list);

}  // namespace postern::tls
