// Names of former times. Where a row's initial value mentions the old name
// (`$fallback_relay`), the old name works through it; the others are looked up
// under `successor` by Config. Either way the loader's check tells the
// administrator once which name to write.
#pragma once

#include <string_view>

namespace postern::config {

struct Obsolete {
  std::string_view name;
  std::string_view successor;  // what to write instead
  // Values of `name` count for `successor` as they are, unless it is set.
  bool same_values = true;
};

inline constexpr Obsolete obsolete_names[] = {
    {"authorized_verp_clients", "smtpd_authorized_verp_clients"},
    {"enable_errors_to", "", false},
    {"extract_recipient_limit", "", false},
    {"fallback_relay", "smtp_fallback_relay"},
    {"lmtp_cache_connection", "lmtp_connection_cache_on_demand"},
    {"lmtp_per_record_deadline", "lmtp_per_request_deadline"},
    {"postscreen_blacklist_action", "postscreen_denylist_action"},
    {"postscreen_dnsbl_ttl", "postscreen_dnsbl_max_ttl", false},
    {"postscreen_dnsbl_whitelist_threshold",
     "postscreen_dnsbl_allowlist_threshold"},
    {"postscreen_whitelist_interfaces", "postscreen_allowlist_interfaces"},
    {"sender_based_routing", "sender_dependent_relayhost_maps", false},
    {"smtp_per_record_deadline", "smtp_per_request_deadline"},
    {"smtp_skip_4xx_greeting", "", false},
    {"smtp_tls_cipherlist", "smtp_tls_mandatory_ciphers", false},
    {"smtpd_client_connection_limit_exceptions",
     "smtpd_client_event_limit_exceptions"},
    {"smtpd_per_record_deadline", "smtpd_per_request_deadline"},
    {"smtpd_sasl_application_name", "smtpd_sasl_path"},
    {"smtpd_tls_cipherlist", "smtpd_tls_mandatory_ciphers", false},
    {"tls_dane_digest_agility", "", false},
    {"tls_dane_trust_anchor_digest_enable", "", false},
    {"tlsproxy_client_level", "tlsproxy_client_security_level"},
    {"tlsproxy_client_policy", "tlsproxy_client_policy_maps"},
    {"tlsproxy_tls_session_cache_timeout", "", false},
    {"virtual_maps", "virtual_alias_maps"},
};

const Obsolete* find_obsolete(std::string_view name);

}  // namespace postern::config
