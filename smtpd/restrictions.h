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

namespace postern::smtpd {

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
  permit_sasl_authenticated,
  permit_tls_clientcerts,
  permit_tls_all_clientcerts,
  reject_plaintext_session,
  reject_unauth_pipelining,
  // The HELO name.
  reject_invalid_helo_hostname,
  reject_non_fqdn_helo_hostname,
  // Addresses.
  reject_non_fqdn_sender,
  reject_non_fqdn_recipient,
  reject_unlisted_sender,
  reject_unlisted_recipient,
  reject_multi_recipient_bounce,
  reject_sender_login_mismatch,
  reject_authenticated_sender_login_mismatch,
  reject_known_sender_login_mismatch,
  reject_unauthenticated_sender_login_mismatch,
  permit_auth_destination,
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
  table,              // "type:name" alone: by the list it stands in
  restriction_class,  // smtpd_restriction_classes
  // No such name, or one without its argument.
  unknown,
  no_argument,
  // Names that Postfix has and this server has not.
  not_built,
};

struct RestrictionName {
  std::string_view name;
  Check check;
  bool argument = false;  // the next word belongs to it
};

// Every name that can stand in a list, Postfix's old ones included.
std::span<const RestrictionName> restriction_names();

struct Restriction {
  Check check = Check::unknown;
  std::string name;      // as written
  std::string argument;  // table, domain, seconds
  bool warn_only = false;  // warn_if_reject stands before it
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

}  // namespace postern::smtpd
