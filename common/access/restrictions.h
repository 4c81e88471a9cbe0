// The access restrictions by name, and lists of them as in main.conf
// (postconf(5), smtpd_recipient_restrictions and its sisters). Parsing only:
// access.h evaluates.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::access {

enum class Check : std::uint8_t {
  // Decide by themselves.
  permit,
  reject,
  defer,
  defer_if_permit,
  defer_if_reject,
  sleep,
  warn_if_reject,
  // The client and the session.
  permit_inet_interfaces,
  permit_mynetworks,
  permit_naked_ip_address,
  permit_sasl_authenticated,
  permit_tls_clientcerts,
  permit_tls_all_clientcerts,
  reject_plaintext_session,
  reject_unauth_pipelining,
  reject_unknown_client_hostname,
  reject_unknown_forward_client_hostname,
  reject_unknown_reverse_client_hostname,
  // The HELO name.
  reject_invalid_helo_hostname,
  reject_non_fqdn_helo_hostname,
  reject_unknown_helo_hostname,
  // Addresses.
  reject_non_fqdn_sender,
  reject_non_fqdn_recipient,
  reject_unknown_address,
  reject_unknown_sender_domain,
  reject_unknown_recipient_domain,
  reject_unlisted_sender,
  reject_unlisted_recipient,
  reject_unverified_sender,
  reject_unverified_recipient,
  reject_multi_recipient_bounce,
  reject_sender_login_mismatch,
  reject_authenticated_sender_login_mismatch,
  reject_known_sender_login_mismatch,
  reject_unauthenticated_sender_login_mismatch,
  permit_auth_destination,
  permit_mx_backup,
  reject_unauth_destination,
  defer_unauth_destination,
  // Tables.
  check_client_access,
  check_reverse_client_hostname_access,
  check_helo_access,
  check_sender_access,
  check_recipient_access,
  check_ccert_access,
  check_sasl_access,
  check_etrn_access,
  // Tables of the hosts that serve a name: check_sender_mx_access, …
  check_hosts_access,
  table,              // "type:name" alone: by the list it stands in
  restriction_class,  // smtpd_restriction_classes
  // Lists in the domain name system.
  permit_dnswl_client,
  permit_rhswl_client,
  reject_maps_rbl,
  reject_rbl_client,
  reject_rhsbl_client,
  reject_rhsbl_helo,
  reject_rhsbl_recipient,
  reject_rhsbl_reverse_client,
  reject_rhsbl_sender,
  // Other servers.
  check_policy_service,
  // No such name, or one without its argument.
  unknown,
  no_argument,
};

// Whom a restriction of tables or lists speaks of.
enum class Party : std::uint8_t {
  none,
  client,
  reverse_client,
  helo,
  sender,
  recipient
};

// Which hosts check_hosts_access looks at.
enum class Hosts : std::uint8_t { none, addresses, exchangers, name_servers };

// What the word behind a name is.
enum class Argument : std::uint8_t {
  none,
  table,
  certificate,  // a table, or one in braces with its search_order
  domain,
  seconds,
  service
};

struct RestrictionName {
  std::string_view name;
  Check check;
  Argument argument = Argument::none;
  Party party = Party::none;
  Hosts hosts = Hosts::none;
};

// Every name that can stand in a list, Postfix's old ones included.
std::span<const RestrictionName> restriction_names();
// The known name that is nearest to `word`; "" when none is near.
std::string nearest_restriction(std::string_view word);

struct Restriction {
  Check check = Check::unknown;
  std::string name;      // as written
  std::string argument;  // table, domain, seconds, service
  bool warn_only = false;  // warn_if_reject stands before it
  Party party = Party::none;
  Hosts hosts = Hosts::none;
  // check_ccert_access: which fingerprints are asked for, in order.
  std::vector<std::string> search_order = {};
};
using RestrictionList = std::vector<Restriction>;

// `value` is expanded. `classes` are the names of smtpd_restriction_classes.
RestrictionList parse_restrictions(std::string_view value,
                                   const std::vector<std::string>& classes);

using RestrictionClasses = std::map<std::string, RestrictionList, std::less<>>;

// Does the list hold one that keeps strangers from relaying, where it is
// reached and not only warned about?
bool protects_from_relaying(const RestrictionList& list,
                            const RestrictionClasses& classes);

}  // namespace postern::access
