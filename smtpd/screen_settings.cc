#include "smtpd/screen_settings.h"

#include "common/access/replies.h"
#include "common/access/settings.h"
#include "common/base/text.h"
#include "smtpd/settings.h"

namespace postern::smtpd {
namespace {

using access::Trial;

ScreenAction read_action(const config::Config& config, const log::Log& log,
                         const char* parameter) {
  const std::string text = config.text(parameter);
  if (equal_nocase(text, "ignore")) return ScreenAction::ignore;
  if (equal_nocase(text, "enforce")) return ScreenAction::enforce;
  if (equal_nocase(text, "drop")) return ScreenAction::drop;
  log.warning("{}: \"{}\" is none of ignore, enforce, drop; ignore is used",
              parameter, text);
  return ScreenAction::ignore;
}

void read_actions(ScreenSettings& s, const config::Config& c,
                  const log::Log& log) {
  s.denylist = read_action(c, log, "postscreen_denylist_action");
  s.greet = read_action(c, log, "postscreen_greet_action");
  s.dnsbl = read_action(c, log, "postscreen_dnsbl_action");
  s.pipelining = read_action(c, log, "postscreen_pipelining_action");
  s.non_smtp = read_action(c, log, "postscreen_non_smtp_command_action");
  s.bare_newline = read_action(c, log, "postscreen_bare_newline_action");
}

void read_trials(ScreenSettings& s, const config::Config& c,
                 const log::Log& log) {
  std::vector<std::string> problems;
  s.sites = parse_dns_sites(c.get<"postscreen_dnsbl_sites">(), &problems);
  for (const std::string& problem : problems)
    log.warning("postscreen_dnsbl_sites: {}", problem);
  s.enabled.set(Trial::greet, c.get<"postscreen_greet_wait">() > Seconds(0));
  s.enabled.set(Trial::dnsbl, !s.sites.empty());
  s.enabled.set(Trial::pipelining, c.get<"postscreen_pipelining_enable">());
  s.enabled.set(Trial::non_smtp,
                c.get<"postscreen_non_smtp_command_enable">());
  s.enabled.set(Trial::bare_newline,
                c.get<"postscreen_bare_newline_enable">());
}

void read_times(ScreenSettings& s, const config::Config& c) {
  s.greet_wait = c.get<"postscreen_greet_wait">();
  s.dnsbl_timeout = c.get<"postscreen_dnsbl_timeout">();
  s.command_limit = c.get<"postscreen_command_time_limit">();
  s.greet_ttl = c.get<"postscreen_greet_ttl">().count();
  s.dnsbl_min_ttl = c.get<"postscreen_dnsbl_min_ttl">().count();
  s.dnsbl_max_ttl = c.get<"postscreen_dnsbl_max_ttl">().count();
  s.pipelining_ttl = c.get<"postscreen_pipelining_ttl">().count();
  s.non_smtp_ttl = c.get<"postscreen_non_smtp_command_ttl">().count();
  s.bare_newline_ttl = c.get<"postscreen_bare_newline_ttl">().count();
}

void read_numbers(ScreenSettings& s, const config::Config& c) {
  s.dnsbl_threshold = c.get<"postscreen_dnsbl_threshold">();
  s.allowlist_threshold = c.get<"postscreen_dnsbl_allowlist_threshold">();
  s.pre_queue_limit = c.get<"postscreen_pre_queue_limit">();
  s.post_queue_limit = c.get<"postscreen_post_queue_limit">();
  s.connection_count_limit =
      c.get<"postscreen_client_connection_count_limit">();
  s.command_count_limit = c.get<"postscreen_command_count_limit">();
  s.line_limit = c.get<"line_length_limit">();
  s.message_size_limit = c.get<"message_size_limit">();
}

void read_texts(ScreenSettings& s, const config::Config& c,
                const log::Log& log) {
  s.myhostname = c.get<"myhostname">();
  s.banner = c.get<"smtpd_banner">();
  s.greeting = c.get<"postscreen_greet_banner">();
  s.dnsbl_reply_map = c.get<"postscreen_dnsbl_reply_map">();
  s.command_filter = c.get<"postscreen_command_filter">();
  s.reject_footer = c.get<"postscreen_reject_footer">();
  s.reject_footer_maps = c.get<"postscreen_reject_footer_maps">();
  s.discard_maps = c.get<"postscreen_discard_ehlo_keyword_address_maps">();
  s.expansion_filter =
      access::filter_characters(c.get<"postscreen_expansion_filter">());
  std::vector<std::string> unknown;
  s.discarded_keywords = parse_keywords(
      c.get<"postscreen_discard_ehlo_keywords">(), &unknown);
  for (const std::string& word : unknown)
    log.warning("postscreen_discard_ehlo_keywords: unknown keyword \"{}\" is "
                "ignored", word);
}

void read_switches(ScreenSettings& s, const config::Config& c) {
  s.disable_vrfy = c.get<"postscreen_disable_vrfy_command">();
  s.helo_required = c.get<"postscreen_helo_required">();
  s.smtputf8 = c.get<"smtputf8_enable">();
  s.soft_bounce = c.get<"soft_bounce">();
  s.respectful = c.get<"respectful_logging">();
  s.respectful_by_default = !c.is_set("respectful_logging");
}

void read_tls(ScreenSettings& s, const config::Config& c,
              const log::Log& log) {
  std::string level = to_lower(c.get<"postscreen_tls_security_level">());
  if (level.empty() && c.get<"postscreen_enforce_tls">()) level = "encrypt";
  if (level.empty() && c.get<"postscreen_use_tls">()) level = "may";
  if (level.empty()) level = "none";
  s.tls_required = level == "encrypt";
  s.tls_offered = level == "may" || s.tls_required;
  if (!s.tls_offered && level != "none")
    log.warning("postscreen_tls_security_level: \"{}\" is none of none, may, "
                "encrypt; none is used", level);
}

}  // namespace

ScreenSettings ScreenSettings::read(const config::Config& config,
                                    const log::Log& log) {
  ScreenSettings s;
  read_actions(s, config, log);
  read_trials(s, config, log);
  read_times(s, config);
  read_numbers(s, config);
  read_texts(s, config, log);
  read_switches(s, config);
  read_tls(s, config, log);
  s.rules = parse_screen_rules(config.get<"postscreen_access_list">(), false);
  s.mynetworks = access::host_list(config, log, "mynetworks");
  s.allowlist_interfaces =
      access::host_list(config, log, "postscreen_allowlist_interfaces");
  s.forbidden_commands =
      access::string_list(config, log, "postscreen_forbidden_commands");
  return s;
}

void ScreenSettings::open_tables() {
  for (tables::MatchList* list :
       {&mynetworks, &allowlist_interfaces, &forbidden_commands})
    list->open_tables(true);
}

std::vector<std::string> ScreenSettings::table_names() const {
  std::vector<std::string> names{dnsbl_reply_map, command_filter,
                                 reject_footer_maps, discard_maps};
  for (const ScreenRule& rule : rules)
    if (rule.what == ScreenRule::What::table) names.push_back(rule.text);
  std::erase(names, "");
  return names;
}

}  // namespace postern::smtpd
