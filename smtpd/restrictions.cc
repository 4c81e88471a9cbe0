#include "smtpd/restrictions.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"

namespace postern::smtpd {
namespace {

using enum Check;

constexpr RestrictionName names[] = {
    {"permit", permit},
    {"reject", reject},
    {"defer", defer},
    {"defer_if_permit", defer_if_permit},
    {"defer_if_reject", defer_if_reject},
    {"sleep", sleep, true},
    {"warn_if_reject", warn_if_reject},
    {"permit_inet_interfaces", permit_inet_interfaces},
    {"permit_mynetworks", permit_mynetworks},
    {"permit_sasl_authenticated", permit_sasl_authenticated},
    {"permit_tls_clientcerts", permit_tls_clientcerts},
    {"permit_tls_all_clientcerts", permit_tls_all_clientcerts},
    {"reject_plaintext_session", reject_plaintext_session},
    {"reject_unauth_pipelining", reject_unauth_pipelining},
    {"reject_invalid_helo_hostname", reject_invalid_helo_hostname},
    {"reject_invalid_hostname", reject_invalid_helo_hostname},
    {"reject_non_fqdn_helo_hostname", reject_non_fqdn_helo_hostname},
    {"reject_non_fqdn_hostname", reject_non_fqdn_helo_hostname},
    {"reject_non_fqdn_sender", reject_non_fqdn_sender},
    {"reject_non_fqdn_recipient", reject_non_fqdn_recipient},
    {"reject_unlisted_sender", reject_unlisted_sender},
    {"reject_unlisted_recipient", reject_unlisted_recipient},
    {"check_recipient_maps", reject_unlisted_recipient},
    {"reject_multi_recipient_bounce", reject_multi_recipient_bounce},
    {"permit_auth_destination", permit_auth_destination},
    {"reject_unauth_destination", reject_unauth_destination},
    {"defer_unauth_destination", defer_unauth_destination},
    {"check_relay_domains", reject_unauth_destination},
    {"check_client_access", check_client_access, true},
    {"check_reverse_client_hostname_access",
     check_reverse_client_hostname_access, true},
    {"check_helo_access", check_helo_access, true},
    {"check_sender_access", check_sender_access, true},
    {"check_recipient_access", check_recipient_access, true},
    {"check_etrn_access", check_etrn_access, true},
    {"check_ccert_access", check_ccert_access, true},
    {"check_sasl_access", check_sasl_access, true},
    {"check_client_a_access", not_built, true},
    {"check_client_mx_access", not_built, true},
    {"check_client_ns_access", not_built, true},
    {"check_reverse_client_hostname_a_access", not_built, true},
    {"check_reverse_client_hostname_mx_access", not_built, true},
    {"check_reverse_client_hostname_ns_access", not_built, true},
    {"check_helo_a_access", not_built, true},
    {"check_helo_mx_access", not_built, true},
    {"check_helo_ns_access", not_built, true},
    {"check_sender_a_access", not_built, true},
    {"check_sender_mx_access", not_built, true},
    {"check_sender_ns_access", not_built, true},
    {"check_recipient_a_access", not_built, true},
    {"check_recipient_mx_access", not_built, true},
    {"check_recipient_ns_access", not_built, true},
    {"check_policy_service", not_built, true},
    {"permit_dnswl_client", not_built, true},
    {"permit_rhswl_client", not_built, true},
    {"permit_mx_backup", not_built},
    {"permit_naked_ip_address", not_built},
    {"reject_authenticated_sender_login_mismatch",
     reject_authenticated_sender_login_mismatch},
    {"reject_known_sender_login_mismatch",
     reject_known_sender_login_mismatch},
    {"reject_maps_rbl", not_built},
    {"reject_rbl_client", not_built, true},
    {"reject_rhsbl_client", not_built, true},
    {"reject_rhsbl_helo", not_built, true},
    {"reject_rhsbl_recipient", not_built, true},
    {"reject_rhsbl_reverse_client", not_built, true},
    {"reject_rhsbl_sender", not_built, true},
    {"reject_sender_login_mismatch", reject_sender_login_mismatch},
    {"reject_unauthenticated_sender_login_mismatch",
     reject_unauthenticated_sender_login_mismatch},
    {"reject_unknown_address", not_built},
    {"reject_unknown_client", not_built},
    {"reject_unknown_client_hostname", not_built},
    {"reject_unknown_forward_client_hostname", not_built},
    {"reject_unknown_helo_hostname", not_built},
    {"reject_unknown_hostname", not_built},
    {"reject_unknown_recipient_domain", not_built},
    {"reject_unknown_reverse_client_hostname", not_built},
    {"reject_unknown_sender_domain", not_built},
    {"reject_unverified_recipient", not_built},
    {"reject_unverified_sender", not_built},
};

const RestrictionName* find_name(std::string_view word) {
  for (const RestrictionName& row : names)
    if (equal_nocase(row.name, word)) return &row;
  return nullptr;
}

bool takes_table(Check check) {
  return check >= check_client_access && check <= check_etrn_access;
}

// "{ type:table { search_order = cert_fingerprint } }", or a table alone.
Restriction parse_certificate_check(const std::string& word,
                                    const std::string& argument) {
  Restriction out{check_ccert_access, word, argument, false,
                  {"cert_fingerprint", "pubkey_fingerprint"}};
  const Restriction wrong{no_argument, word, "", false, {}};
  if (argument.starts_with('{')) {
    const auto parts = split_braced(
        std::string_view(argument).substr(1, argument.size() - 2));
    if (!parts || parts->empty() || parts->size() > 2) return wrong;
    out.argument = parts->front();
    if (parts->size() == 2) {
      const std::vector<std::string> order =
          split_words(parts->back(), ", \t\r\n{}=");
      if (order.size() < 2 || order.front() != "search_order") return wrong;
      out.search_order.assign(order.begin() + 1, order.end());
    }
  }
  for (const std::string& each : out.search_order)
    if (each != "cert_fingerprint" && each != "pubkey_fingerprint")
      return wrong;
  return out.argument.find(':') == std::string::npos ? wrong : out;
}

// One restriction at words[at]; leaves `at` at its last word.
Restriction parse_one(const std::vector<std::string>& words, std::size_t& at,
                      const std::vector<std::string>& classes) {
  const std::string& word = words[at];
  const RestrictionName* row = find_name(word);
  if (row == nullptr) {
    if (word.find(':') != std::string::npos) return {table, word, word, false, {}};
    if (std::find(classes.begin(), classes.end(), word) != classes.end())
      return {restriction_class, word, "", false, {}};
    return {unknown, word, "", false, {}};
  }
  if (!row->argument) return {row->check, word, "", false, {}};
  if (at + 1 == words.size()) return {no_argument, word, "", false, {}};
  const std::string& argument = words[at + 1];
  if (takes_table(row->check) && argument.find(':') == std::string::npos)
    return {no_argument, word, "", false, {}};
  ++at;
  if (row->check == check_ccert_access)
    return parse_certificate_check(word, argument);
  return {row->check, word, argument, false, {}};
}

bool protects(Check check) {
  switch (check) {
    case reject_unauth_destination:
    case defer_unauth_destination:
    case reject:
    case defer:
    case defer_if_permit:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::span<const RestrictionName> restriction_names() { return names; }

RestrictionList parse_restrictions(std::string_view value,
                                   const std::vector<std::string>& classes) {
  RestrictionList list;
  const auto words = split_braced(value);
  if (!words) {
    list.push_back({unknown, std::string(value), "", false, {}});
    return list;
  }
  bool warn = false;
  for (std::size_t at = 0; at < words->size(); ++at) {
    Restriction one = parse_one(*words, at, classes);
    if (one.check == warn_if_reject) {
      warn = true;
      continue;
    }
    one.warn_only = std::exchange(warn, false);
    list.push_back(std::move(one));
  }
  return list;
}

bool protects_from_relaying(const RestrictionList& list,
                            const RestrictionClasses& classes) {
  for (const Restriction& one : list) {
    if (one.warn_only) continue;
    if (protects(one.check)) return true;
    if (one.check == permit) return false;
    if (one.check != restriction_class) continue;
    const auto found = classes.find(one.name);
    // A class that named itself would not end; its inner classes count once.
    RestrictionClasses others = classes;
    others.erase(one.name);
    if (found != classes.end() && protects_from_relaying(found->second, others))
      return true;
  }
  return false;
}

}  // namespace postern::smtpd
