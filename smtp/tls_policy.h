// What TLS a destination must have: main.conf, the line of
// smtp_tls_policy_maps, and the server at hand. Pure decisions; asking tables
// and DNS is tls_planner.h's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "smtp/tls_level.h"

namespace postern::smtp {

// smtp_tls_* (lmtp_tls_*) of main.conf, as far as a policy goes by them.
struct TlsSettings {
  TlsLevel level = TlsLevel::none;
  std::string policy_maps;
  std::string protocols = ">=TLSv1";  // at level may
  std::string ciphers = "medium";
  std::string exclude_ciphers;
  std::string mandatory_protocols = ">=TLSv1";  // above it
  std::string mandatory_ciphers = "medium";
  std::string mandatory_exclude_ciphers;
  std::vector<std::string> verify_match = {"hostname"};
  std::vector<std::string> secure_match = {"nexthop", "dot-nexthop"};
  std::vector<std::string> fingerprint_match;
  std::string servername;
  bool wildcard_for_several_labels = true;
  bool connection_reuse = false;
  bool wrappermode = false;
  bool note_starttls_offer = false;
  bool block_early_mail_reply = false;
  // DANE.
  TlsLevel insecure_mx = TlsLevel::may;  // may, encrypt or dane
  bool force_insecure_host = false;
  bool dnssec = false;  // smtp_dns_support_level = dnssec, and smtp_host_lookup
                        // includes dns
  bool ignore_mx_errors = false;  // ignore_mx_lookup_error
};

// A line of smtp_tls_policy_maps. What it does not set is nullopt or empty.
struct PolicyLine {
  TlsLevel level = TlsLevel::none;
  std::optional<std::string> ciphers;
  std::optional<std::string> protocols;
  std::optional<std::string> exclude;
  std::optional<std::string> servername;
  std::vector<std::string> match;
  std::vector<std::string> trust_anchor_files;
  std::optional<bool> connection_reuse;
};

// `where` begins each warning: "TLS policy table entry for …". Trouble is the
// warning for the log; `notices` get those that change nothing.
Result<PolicyLine> parse_policy_line(std::string_view line,
                                     std::string_view where,
                                     std::vector<std::string>& notices);

// The keys to look up for a next hop, in order: as it stands, and for a bare
// domain its parents with a leading dot.
std::vector<std::string> policy_keys(std::string_view next_hop);

// A destination's policy before a server is chosen.
struct SitePolicy {
  TlsLevel level = TlsLevel::none;
  std::optional<PolicyLine> line;
};
SitePolicy site_policy(std::optional<PolicyLine> line,
                       const TlsSettings& settings);

// A TLSA record (RFC 6698).
struct Tlsa {
  int usage = 0;
  int selector = 0;
  int matching = 0;
  std::string data;  // bytes
  bool operator==(const Tlsa&) const = default;
};
// "3 1 1 0A1B…", blanks in the hexadecimal part allowed; nullopt otherwise.
std::optional<Tlsa> parse_tlsa(std::string_view text);

// Those that a mail client can act on: DANE-TA(2) and DANE-EE(3) (RFC 7672
// 3.1), with a digest out of `digests` ("sha512 sha256", strongest first; only
// the strongest that is there for each usage and selector, RFC 7671 9) or the
// whole certificate.
std::vector<Tlsa> usable_tlsa(const std::vector<Tlsa>& records,
                              const std::vector<std::string>& digests);

// What the session with one server is held to.
struct TlsPolicy {
  TlsLevel level = TlsLevel::none;
  std::string protocols;
  std::string ciphers;
  std::string exclude;
  // Names (a leading dot: names below it) or, at level fingerprint, digests.
  std::vector<std::string> match;
  std::string servername;  // SNI; "": none is sent
  std::vector<std::string> trust_anchor_files;  // tafile of the table
  bool connection_reuse = false;
  std::vector<Tlsa> tlsa;
  std::string tlsa_base;  // the domain whose TLSA records these are

  // Two sessions with the same text were held to the same.
  std::string identity() const;
};

// What is known of the server.
struct ServerFacts {
  std::string host;      // its name, or its address
  std::string next_hop;  // the domain, without brackets and port
  bool by_mx = false;
  bool mx_secure = false;     // with by_mx
  std::string mx_canonical;   // what the domain is an alias of
  std::string host_canonical;
  bool host_secure = false;
  bool local_socket = false;
};

// What was found under _PORT._tcp.HOST.
struct TlsaAnswer {
  enum class Kind { not_asked, none, records, failed };
  Kind kind = Kind::not_asked;
  std::string base;            // the HOST
  std::vector<Tlsa> usable;
};

// Must TLSA records be asked for before policy_for() can decide?
bool wants_tlsa(const SitePolicy& site, const ServerFacts& server,
                const TlsSettings& settings);

// Trouble: no session with this server may be had (4.7.5, the reason).
// `notices` get warnings for the log.
Result<TlsPolicy> policy_for(const SitePolicy& site, const ServerFacts& server,
                             const TlsaAnswer& tlsa,
                             const TlsSettings& settings, int port,
                             std::vector<std::string>& notices);

// The same server once more, without TLS, after a handshake that failed.
TlsPolicy without_tls();

}  // namespace postern::smtp
