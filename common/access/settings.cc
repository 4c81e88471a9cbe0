#include "common/access/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/access/replies.h"
#include "common/base/text.h"
#include "common/config/own_networks.h"

namespace postern::access {
namespace {

using tables::MatchList;
using tables::MatchOptions;

MatchList match_list(const config::Config& config, const log::Log& log,
                     const char* name, MatchOptions::Kind kind) {
  const std::vector<std::string> parents =
      split_words(config.get<"parent_domain_matches_subdomains">());
  MatchOptions options;
  options.kind = kind;
  options.parents =
      std::find(parents.begin(), parents.end(), name) != parents.end();
  options.title = name;
  options.tables.warn = [log](std::string_view line) { log.warning(line); };
  return MatchList::parse(config.text(name), std::move(options));
}

RestrictionSet read_restrictions(const config::Config& config) {
  RestrictionSet set;
  const std::vector<std::string> names =
      split_words(config.get<"smtpd_restriction_classes">());
  const auto parse = [&](const std::string& name) {
    return parse_restrictions(config.text(name), names);
  };
  for (const std::string& name : names)
    set.classes[name] =
        parse_restrictions(config.expand(config.raw(name)), names);
  set.client = parse("smtpd_client_restrictions");
  set.helo = parse("smtpd_helo_restrictions");
  set.sender = parse("smtpd_sender_restrictions");
  set.relay = parse("smtpd_relay_restrictions");
  set.recipient = parse("smtpd_recipient_restrictions");
  set.data = parse("smtpd_data_restrictions");
  set.end_of_data = parse("smtpd_end_of_data_restrictions");
  set.etrn = parse("smtpd_etrn_restrictions");
  return set;
}

void read_codes(Settings& s, const config::Config& c) {
  const auto code = [](std::int64_t value) { return static_cast<int>(value); };
  s.reject_code = code(c.get<"reject_code">());
  s.defer_code = code(c.get<"defer_code">());
  s.invalid_hostname_code = code(c.get<"invalid_hostname_reject_code">());
  s.non_fqdn_code = code(c.get<"non_fqdn_reject_code">());
  s.multi_recipient_code = code(c.get<"multi_recipient_bounce_reject_code">());
  s.plaintext_code = code(c.get<"plaintext_reject_code">());
  s.relay_code = code(c.get<"relay_domains_reject_code">());
  s.map_reject_code = code(c.get<"access_map_reject_code">());
  s.map_defer_code = code(c.get<"access_map_defer_code">());
  s.unknown_address_code = code(c.get<"unknown_address_reject_code">());
  s.unknown_client_code = code(c.get<"unknown_client_reject_code">());
  s.unknown_hostname_code = code(c.get<"unknown_hostname_reject_code">());
  s.rbl_code = code(c.get<"maps_rbl_reject_code">());
  for (const char* name : {"unknown_local_recipient_reject_code",
                           "unknown_relay_recipient_reject_code",
                           "unknown_virtual_alias_reject_code",
                           "unknown_virtual_mailbox_reject_code"})
    s.unlisted_codes[name] = code(c.number(name, 550));
}

void read_switches(Settings& s, const config::Config& c) {
  s.delay_reject = c.get<"smtpd_delay_reject">();
  s.soft_bounce = c.get<"soft_bounce">();
  s.reject_unlisted_recipient = c.get<"smtpd_reject_unlisted_recipient">();
  s.reject_unlisted_sender = c.get<"smtpd_reject_unlisted_sender">();
  for (const std::string& word :
       split_words(c.get<"receive_override_options">()))
    s.know_all |= equal_nocase(word, "no_unknown_recipient_checks");
  s.relay_first = c.get<"smtpd_relay_before_recipient_restrictions">();
  s.allow_untrusted_routing = c.get<"allow_untrusted_routing">();
  s.stressed = !c.text("stress").empty();
}

// What a temporary failure leads to: "defer_if_permit", or "defer" at once.
bool defers_now(const config::Config& c, const log::Log& log,
                const char* parameter) {
  const std::string action = c.text(parameter);
  if (equal_nocase(action, "defer")) return true;
  if (!equal_nocase(action, "defer_if_permit"))
    log.warning("{}: \"{}\" is neither defer nor defer_if_permit, which is "
                "used", parameter, action);
  return false;
}

void read_failures(Settings& s, const config::Config& c, const log::Log& log) {
  const auto code = [](std::int64_t value) { return static_cast<int>(value); };
  s.defer_unknown_address =
      defers_now(c, log, "unknown_address_tempfail_action");
  s.defer_unknown_helo =
      defers_now(c, log, "unknown_helo_hostname_tempfail_action");
  s.unverified_sender = {
      code(c.get<"unverified_sender_reject_code">()),
      code(c.get<"unverified_sender_defer_code">()),
      c.get<"unverified_sender_reject_reason">(),
      defers_now(c, log, "unverified_sender_tempfail_action")};
  s.unverified_recipient = {
      code(c.get<"unverified_recipient_reject_code">()),
      code(c.get<"unverified_recipient_defer_code">()),
      c.get<"unverified_recipient_reject_reason">(),
      defers_now(c, log, "unverified_recipient_tempfail_action")};
  const std::int64_t polls = c.get<"address_verify_poll_count">();
  const Millis delay = c.get<"address_verify_poll_delay">();
  s.verify_wait = delay * std::max<std::int64_t>(polls - 1, 0);
}

// Whatever names a service: restrictions, and values of access tables that do
// are parsed when they are met (access_policy.cc).
void read_policies(Settings& s, const config::Config& c, const log::Log& log) {
  for (const RestrictionList* list : s.restrictions.all())
    for (const Restriction& one : *list) {
      if (one.check != Check::check_policy_service) continue;
      Result<PolicyService> service = parse_policy_service(one.argument, c);
      if (service)
        s.policies[one.argument] = std::move(*service);
      else
        log.warning(std::string_view(service.trouble().text));
    }
}

}  // namespace

std::vector<const RestrictionList*> RestrictionSet::all() const {
  std::vector<const RestrictionList*> lists{
      &client, &helo, &sender, &relay, &recipient, &data, &end_of_data, &etrn};
  for (const auto& [name, list] : classes) lists.push_back(&list);
  return lists;
}

MatchList host_list(const config::Config& config, const log::Log& log,
                    const char* name) {
  return match_list(config, log, name, MatchOptions::Kind::addresses);
}

MatchList string_list(const config::Config& config, const log::Log& log,
                      const char* name) {
  return match_list(config, log, name, MatchOptions::Kind::strings);
}

void read(Settings& s, const config::Config& c, const log::Log& log) {
  s.myhostname = c.get<"myhostname">();
  s.null_access_key = c.get<"smtpd_null_access_lookup_key">();
  s.expansion_filter = filter_characters(c.get<"smtpd_expansion_filter">());
  s.delimiters = c.get<"recipient_delimiter">();
  s.message_size_limit = c.get<"message_size_limit">();
  s.rbl_reply = c.get<"default_rbl_reply">();
  s.rbl_reply_maps = c.get<"rbl_reply_maps">();
  s.login_maps = c.get<"smtpd_sender_login_maps">();
  s.relay_clientcerts = c.get<"relay_clientcerts">();
  s.sasl_enabled = c.get<"smtpd_sasl_auth_enable">();
  s.old_rbl_domains = split_words(c.get<"maps_rbl_domains">());
  read_switches(s, c);
  read_codes(s, c);
  read_failures(s, c, log);
  s.restrictions = read_restrictions(c);
  read_policies(s, c, log);
  s.local_clients =
      parse_restrictions(c.get<"local_header_rewrite_clients">(), {});
  s.mynetworks = host_list(c, log, "mynetworks");
  s.backup_networks = host_list(c, log, "permit_mx_backup_networks");
  s.proxy_addresses = host_list(c, log, "proxy_interfaces");
  s.log_permits = string_list(c, log, "smtpd_log_access_permit_actions");
  const std::vector<std::string> parents =
      split_words(c.get<"parent_domain_matches_subdomains">());
  s.parents_in_client_access =
      std::find(parents.begin(), parents.end(), "smtpd_access_maps") !=
      parents.end();
  for (const config::InterfaceAddress& a : config::chosen_addresses(
           config::interface_addresses(), c.get<"inet_interfaces">(),
           c.get<"inet_protocols">()))
    s.own_addresses.push_back(a.text());
}

void Settings::open_tables() {
  for (MatchList* list :
       {&mynetworks, &backup_networks, &proxy_addresses, &log_permits})
    list->open_tables(true);
}

std::vector<std::string> Settings::table_names() const {
  std::vector<std::string> maps{rbl_reply_maps, login_maps,
                                relay_clientcerts};
  for (const RestrictionList* list : restrictions.all())
    for (const Restriction& one : *list)
      if (one.check != Check::check_policy_service &&
          one.argument.find(':') != std::string::npos)
        maps.push_back(one.argument);
  std::erase(maps, "");
  return maps;
}

std::string relay_protection_fault(const RestrictionSet& set) {
  if (protects_from_relaying(set.relay, set.classes) ||
      protects_from_relaying(set.recipient, set.classes))
    return "";
  return "in parameter smtpd_relay_restrictions or "
         "smtpd_recipient_restrictions, specify at least one working instance "
         "of: reject_unauth_destination, defer_unauth_destination, reject, "
         "defer, defer_if_permit or check_relay_domains";
}

}  // namespace postern::access
