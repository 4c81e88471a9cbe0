#include "common/access/restrictions.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/config/check.h"

namespace postern::access {
namespace {

using enum Check;

constexpr RestrictionName names[] = {
    {"permit", permit},
    {"reject", reject},
    {"defer", defer},
    {"defer_if_permit", defer_if_permit},
    {"defer_if_reject", defer_if_reject},
    {"sleep", sleep, Argument::seconds},
    {"warn_if_reject", warn_if_reject},
    {"permit_inet_interfaces", permit_inet_interfaces},
    {"permit_mynetworks", permit_mynetworks},
    {"permit_naked_ip_address", permit_naked_ip_address},
    {"permit_sasl_authenticated", permit_sasl_authenticated},
    {"permit_tls_clientcerts", permit_tls_clientcerts},
    {"permit_tls_all_clientcerts", permit_tls_all_clientcerts},
    {"reject_plaintext_session", reject_plaintext_session},
    {"reject_unauth_pipelining", reject_unauth_pipelining},
    {"reject_unknown_client_hostname", reject_unknown_client_hostname},
    {"reject_unknown_client", reject_unknown_client_hostname},
    {"reject_unknown_forward_client_hostname",
     reject_unknown_forward_client_hostname},
    {"reject_unknown_reverse_client_hostname",
     reject_unknown_reverse_client_hostname},
    {"reject_invalid_helo_hostname", reject_invalid_helo_hostname},
    {"reject_invalid_hostname", reject_invalid_helo_hostname},
    {"reject_non_fqdn_helo_hostname", reject_non_fqdn_helo_hostname},
    {"reject_non_fqdn_hostname", reject_non_fqdn_helo_hostname},
    {"reject_unknown_helo_hostname", reject_unknown_helo_hostname},
    {"reject_unknown_hostname", reject_unknown_helo_hostname},
    {"reject_non_fqdn_sender", reject_non_fqdn_sender},
    {"reject_non_fqdn_recipient", reject_non_fqdn_recipient},
    {"reject_unknown_address", reject_unknown_address},
    {"reject_unknown_sender_domain", reject_unknown_sender_domain},
    {"reject_unknown_recipient_domain", reject_unknown_recipient_domain},
    {"reject_unlisted_sender", reject_unlisted_sender},
    {"reject_unlisted_recipient", reject_unlisted_recipient},
    {"check_recipient_maps", reject_unlisted_recipient},
    {"reject_unverified_sender", reject_unverified_sender},
    {"reject_unverified_recipient", reject_unverified_recipient},
    {"reject_unverified_address", reject_unverified_sender},
    {"reject_multi_recipient_bounce", reject_multi_recipient_bounce},
    {"permit_auth_destination", permit_auth_destination},
    {"permit_mx_backup", permit_mx_backup},
    {"reject_unauth_destination", reject_unauth_destination},
    {"defer_unauth_destination", defer_unauth_destination},
    {"check_relay_domains", reject_unauth_destination},
    {"check_client_access", check_client_access, Argument::table,
     Party::client},
    {"check_reverse_client_hostname_access",
     check_reverse_client_hostname_access, Argument::table, Party::reverse_client},
    {"check_helo_access", check_helo_access, Argument::table, Party::helo},
    {"check_sender_access", check_sender_access, Argument::table,
     Party::sender},
    {"check_recipient_access", check_recipient_access, Argument::table,
     Party::recipient},
    {"check_etrn_access", check_etrn_access, Argument::table, Party::none},
    {"check_client_a_access", check_hosts_access, Argument::table,
     Party::client, Hosts::addresses},
    {"check_client_mx_access", check_hosts_access, Argument::table,
     Party::client, Hosts::exchangers},
    {"check_client_ns_access", check_hosts_access, Argument::table,
     Party::client, Hosts::name_servers},
    {"check_reverse_client_hostname_a_access", check_hosts_access,
     Argument::table, Party::reverse_client, Hosts::addresses},
    {"check_reverse_client_hostname_mx_access", check_hosts_access,
     Argument::table, Party::reverse_client, Hosts::exchangers},
    {"check_reverse_client_hostname_ns_access", check_hosts_access,
     Argument::table, Party::reverse_client, Hosts::name_servers},
    {"check_helo_a_access", check_hosts_access, Argument::table, Party::helo,
     Hosts::addresses},
    {"check_helo_mx_access", check_hosts_access, Argument::table, Party::helo,
     Hosts::exchangers},
    {"check_helo_ns_access", check_hosts_access, Argument::table, Party::helo,
     Hosts::name_servers},
    {"check_sender_a_access", check_hosts_access, Argument::table,
     Party::sender, Hosts::addresses},
    {"check_sender_mx_access", check_hosts_access, Argument::table,
     Party::sender, Hosts::exchangers},
    {"check_sender_ns_access", check_hosts_access, Argument::table,
     Party::sender, Hosts::name_servers},
    {"check_recipient_a_access", check_hosts_access, Argument::table,
     Party::recipient, Hosts::addresses},
    {"check_recipient_mx_access", check_hosts_access, Argument::table,
     Party::recipient, Hosts::exchangers},
    {"check_recipient_ns_access", check_hosts_access, Argument::table,
     Party::recipient, Hosts::name_servers},
    {"permit_dnswl_client", permit_dnswl_client, Argument::domain,
     Party::client},
    {"permit_rhswl_client", permit_rhswl_client, Argument::domain,
     Party::client},
    {"reject_maps_rbl", reject_maps_rbl},
    {"reject_rbl_client", reject_rbl_client, Argument::domain, Party::client},
    {"reject_rbl", reject_rbl_client, Argument::domain, Party::client},
    {"reject_rhsbl_client", reject_rhsbl_client, Argument::domain,
     Party::client},
    {"reject_rhsbl_helo", reject_rhsbl_helo, Argument::domain, Party::helo},
    {"reject_rhsbl_recipient", reject_rhsbl_recipient, Argument::domain,
     Party::recipient},
    {"reject_rhsbl_reverse_client", reject_rhsbl_reverse_client,
     Argument::domain, Party::reverse_client},
    {"reject_rhsbl_sender", reject_rhsbl_sender, Argument::domain,
     Party::sender},
    {"check_policy_service", check_policy_service, Argument::service},
    {"check_ccert_access", check_ccert_access, Argument::certificate},
    {"check_sasl_access", check_sasl_access, Argument::table},
    {"reject_authenticated_sender_login_mismatch",
     reject_authenticated_sender_login_mismatch},
    {"reject_known_sender_login_mismatch",
     reject_known_sender_login_mismatch},
    {"reject_sender_login_mismatch", reject_sender_login_mismatch},
    {"reject_unauthenticated_sender_login_mismatch",
     reject_unauthenticated_sender_login_mismatch},
};

const RestrictionName* find_name(std::string_view word) {
  for (const RestrictionName& row : names)
    if (equal_nocase(row.name, word)) return &row;
  return nullptr;
}

// "{ type:table { search_order = cert_fingerprint } }", or a table alone.
bool parse_certificate_check(Restriction& one) {
  one.search_order = {"cert_fingerprint", "pubkey_fingerprint"};
  if (one.argument.starts_with('{')) {
    const auto parts = split_braced(
        std::string_view(one.argument).substr(1, one.argument.size() - 2));
    if (!parts || parts->empty() || parts->size() > 2) return false;
    one.argument = parts->front();
    if (parts->size() == 2) {
      const std::vector<std::string> order =
          split_words(parts->back(), ", \t\r\n{}=");
      if (order.size() < 2 || order.front() != "search_order") return false;
      one.search_order.assign(order.begin() + 1, order.end());
    }
  }
  for (const std::string& each : one.search_order)
    if (each != "cert_fingerprint" && each != "pubkey_fingerprint")
      return false;
  return one.argument.find(':') != std::string::npos;
}

bool fits(Argument kind, const std::string& word) {
  switch (kind) {
    case Argument::table:
      return word.find(':') != std::string::npos;
    case Argument::certificate:
    case Argument::service:
      return word.find(':') != std::string::npos || word.starts_with('{');
    case Argument::domain:
      // Another restriction is no domain.
      return word.find('.') != std::string::npos || find_name(word) == nullptr;
    case Argument::seconds:
      return parse_number(word).has_value();
    case Argument::none:
      break;
  }
  return true;
}

// One restriction at words[at]; leaves `at` at its last word.
Restriction parse_one(const std::vector<std::string>& words, std::size_t& at,
                      const std::vector<std::string>& classes) {
  const std::string& word = words[at];
  const RestrictionName* row = find_name(word);
  Restriction one;
  one.name = word;
  if (row == nullptr) {
    if (word.find(':') != std::string::npos) {
      one.check = table;
      one.argument = word;
    } else if (std::find(classes.begin(), classes.end(), word) !=
               classes.end()) {
      one.check = restriction_class;
    }
    return one;
  }
  one.check = row->check;
  one.party = row->party;
  one.hosts = row->hosts;
  if (row->argument == Argument::none) return one;
  if (at + 1 == words.size() || !fits(row->argument, words[at + 1])) {
    one.check = no_argument;
    return one;
  }
  one.argument = words[++at];
  if (row->argument == Argument::certificate && !parse_certificate_check(one)) {
    one.check = no_argument;
    one.argument.clear();
  }
  return one;
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

std::string nearest_restriction(std::string_view word) {
  std::vector<std::string_view> known;
  for (const RestrictionName& row : names) known.push_back(row.name);
  return config::nearest(word, known);
}

RestrictionList parse_restrictions(std::string_view value,
                                   const std::vector<std::string>& classes) {
  RestrictionList list;
  const auto words = split_braced(value);
  if (!words) {
    Restriction unreadable;
    unreadable.name = value;
    list.push_back(std::move(unreadable));
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

}  // namespace postern::access
