#include "smtpd/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/config/own_networks.h"
#include "common/ipc/messages/content.h"
#include "smtpd/facts.h"
#include "smtpd/replies.h"

namespace postern::smtpd {
namespace {

using tables::MatchList;
using tables::MatchOptions;

struct Word {
  std::string_view name;
  std::int64_t bits;
};

constexpr Word keyword_words[] = {
    {"8BITMIME", keyword_8bitmime},
    {"AUTH", keyword_auth},
    {"CHUNKING", keyword_chunking},
    {"DSN", keyword_dsn},
    {"ENHANCEDSTATUSCODES", keyword_enhancedstatuscodes},
    {"ETRN", keyword_etrn},
    {"PIPELINING", keyword_pipelining},
    {"SIZE", keyword_size},
    {"SMTPUTF8", keyword_smtputf8},
    {"STARTTLS", keyword_starttls},
    {"VRFY", keyword_vrfy},
    {"XCLIENT", keyword_xclient},
    {"XFORWARD", keyword_xforward},
    {"silent-discard", keyword_silent},
};

constexpr Word notify_words[] = {
    {"bounce", static_cast<unsigned>(Fault::bounce)},
    {"2bounce", 0},
    {"data", static_cast<unsigned>(Fault::data)},
    {"delay", 0},
    {"policy", static_cast<unsigned>(Fault::policy)},
    {"protocol", static_cast<unsigned>(Fault::protocol)},
    {"resource", static_cast<unsigned>(Fault::resource)},
    {"software", static_cast<unsigned>(Fault::software)},
};

constexpr Word override_words[] = {
    {"no_unknown_recipient_checks", ipc::no_unknown_recipient_checks},
    {"no_address_mappings", ipc::no_address_mappings},
    {"no_header_body_checks", ipc::no_header_body_checks},
    {"no_milters", ipc::no_milters},
};

template <std::size_t N>
std::int64_t bits_of(std::string_view text, const Word (&words)[N],
                     std::vector<std::string>* unknown) {
  std::int64_t bits = 0;
  for (const std::string& given : split_words(text)) {
    const Word* found = std::find_if(
        std::begin(words), std::end(words),
        [&](const Word& w) { return equal_nocase(w.name, given); });
    if (found != std::end(words)) bits |= found->bits;
    else if (unknown != nullptr) unknown->push_back(given);
  }
  return bits;
}

void complain(const log::Log& log, const char* parameter,
              const std::vector<std::string>& unknown) {
  for (const std::string& word : unknown)
    log.warning("{}: unknown keyword \"{}\" is ignored", parameter, word);
}

// Reads one row's parameters of a kind.
class Reader {
 public:
  Reader(const config::Config& config, const log::Log& log)
      : config_(config), log_(log) {
    parents_ = split_words(
        config.get<"parent_domain_matches_subdomains">());
  }

  bool parents(std::string_view parameter) const {
    return std::find(parents_.begin(), parents_.end(), parameter) !=
           parents_.end();
  }

  MatchList list(const char* name, const std::string& value,
                 MatchOptions::Kind kind) const {
    MatchOptions options;
    options.kind = kind;
    options.parents = parents(name);
    options.title = name;
    options.tables.warn = [log = log_](std::string_view line) {
      log.warning(line);
    };
    return MatchList::parse(value, std::move(options));
  }
  MatchList hosts(const char* name) const {
    return list(name, config_.text(name), MatchOptions::Kind::addresses);
  }

  RestrictionSet restrictions() const {
    RestrictionSet set;
    const std::vector<std::string> names =
        split_words(config_.get<"smtpd_restriction_classes">());
    const auto parse = [&](const std::string& name) {
      return parse_restrictions(config_.text(name), names);
    };
    for (const std::string& name : names)
      set.classes[name] = parse_restrictions(
          config_.expand(config_.raw(name)), names);
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

  BareNewline bare_newline() const {
    const std::string text =
        to_lower(config_.get<"smtpd_forbid_bare_newline">());
    if (text == "no") return BareNewline::allow;
    if (text == "reject") return BareNewline::reject;
    if (text == "note") return BareNewline::note;
    if (text != "yes" && text != "normalize")
      log_.warning("smtpd_forbid_bare_newline: \"{}\" is none of yes, "
                   "normalize, note, reject, no; normalize is used", text);
    return BareNewline::normalize;
  }

 private:
  const config::Config& config_;
  const log::Log& log_;
  std::vector<std::string> parents_;
};

void read_texts(Settings& s, const config::Config& c) {
  s.myhostname = c.get<"myhostname">();
  s.mail_name = c.get<"mail_name">();
  s.banner = c.get<"smtpd_banner">();
  s.command_filter = c.get<"smtpd_command_filter">();
  s.cleanup_service = c.get<"cleanup_service_name">();
  s.content_filter = c.get<"content_filter">();
  s.double_bounce_sender = c.get<"double_bounce_sender">();
  s.error_notice_recipient = c.get<"error_notice_recipient">();
  s.bounce_notice_recipient = c.get<"bounce_notice_recipient">();
  s.null_access_key = c.get<"smtpd_null_access_lookup_key">();
  s.reject_footer = c.get<"smtpd_reject_footer">();
  s.reject_footer_maps = c.get<"smtpd_reject_footer_maps">();
  s.expansion_filter = filter_characters(c.get<"smtpd_expansion_filter">());
  s.discard_maps = c.get<"smtpd_discard_ehlo_keyword_address_maps">();
  s.delimiters = c.get<"recipient_delimiter">();
}

void read_switches(Settings& s, const config::Config& c) {
  s.per_request_deadline = c.get<"smtpd_per_request_deadline">();
  s.delay_reject = c.get<"smtpd_delay_reject">();
  s.delay_open = c.get<"smtpd_delay_open_until_valid_rcpt">();
  s.helo_required = c.get<"smtpd_helo_required">();
  s.disable_vrfy = c.get<"disable_vrfy_command">();
  s.smtputf8 = c.get<"smtputf8_enable">();
  s.strict_smtputf8 = c.get<"strict_smtputf8">();
  s.strict_envelopes = c.get<"strict_rfc821_envelopes">();
  s.allow_min_user = c.get<"allow_min_user">();
  s.numeric_domain = c.get<"resolve_numeric_domain">();
  s.soft_bounce = c.get<"soft_bounce">();
  s.client_port_logging = c.get<"smtpd_client_port_logging">();
  s.peername_lookup = c.get<"smtpd_peername_lookup">();
  s.forbid_unauth_pipelining = c.get<"smtpd_forbid_unauth_pipelining">();
  s.reject_unlisted_recipient = c.get<"smtpd_reject_unlisted_recipient">();
  s.reject_unlisted_sender = c.get<"smtpd_reject_unlisted_sender">();
  s.hide_client = c.get<"smtpd_hide_client_session">();
  s.relay_first = c.get<"smtpd_relay_before_recipient_restrictions">();
  s.allow_untrusted_routing = c.get<"allow_untrusted_routing">();
}

void read_numbers(Settings& s, const config::Config& c) {
  s.timeout = c.get<"smtpd_timeout">();
  s.error_sleep = c.get<"smtpd_error_sleep_time">();
  s.min_data_rate = c.get<"smtpd_min_data_rate">();
  s.line_limit = c.get<"line_length_limit">();
  s.message_size_limit = c.get<"message_size_limit">();
  s.recipient_limit = c.get<"smtpd_recipient_limit">();
  s.recipient_overshoot = c.get<"smtpd_recipient_overshoot_limit">();
  s.junk_limit = c.get<"smtpd_junk_command_limit">();
  s.soft_limit = c.get<"smtpd_soft_error_limit">();
  s.hard_limit = c.get<"smtpd_hard_error_limit">();
  s.history_threshold = c.get<"smtpd_history_flush_threshold">();
  s.connection_count_limit = c.get<"smtpd_client_connection_count_limit">();
  s.connection_rate_limit = c.get<"smtpd_client_connection_rate_limit">();
  s.message_rate_limit = c.get<"smtpd_client_message_rate_limit">();
  s.recipient_rate_limit = c.get<"smtpd_client_recipient_rate_limit">();
  s.new_tls_session_rate_limit =
      c.get<"smtpd_client_new_tls_session_rate_limit">();
  s.ipv4_prefix = c.get<"smtpd_client_ipv4_prefix_length">();
  s.ipv6_prefix = c.get<"smtpd_client_ipv6_prefix_length">();
}

void read_codes(Settings& s, const config::Config& c) {
  const auto code = [](std::int64_t value) { return static_cast<int>(value); };
  s.bare_newline_code = code(c.get<"smtpd_forbid_bare_newline_reject_code">());
  s.reject_code = code(c.get<"reject_code">());
  s.defer_code = code(c.get<"defer_code">());
  s.invalid_hostname_code = code(c.get<"invalid_hostname_reject_code">());
  s.non_fqdn_code = code(c.get<"non_fqdn_reject_code">());
  s.multi_recipient_code = code(c.get<"multi_recipient_bounce_reject_code">());
  s.plaintext_code = code(c.get<"plaintext_reject_code">());
  s.relay_code = code(c.get<"relay_domains_reject_code">());
  s.map_reject_code = code(c.get<"access_map_reject_code">());
  s.map_defer_code = code(c.get<"access_map_defer_code">());
  for (const char* name : {"unknown_local_recipient_reject_code",
                           "unknown_relay_recipient_reject_code",
                           "unknown_virtual_alias_reject_code",
                           "unknown_virtual_mailbox_reject_code"})
    s.unlisted_codes[name] = code(c.number(name, 550));
}

void read_words(Settings& s, const config::Config& c, const log::Log& log) {
  std::vector<std::string> unknown;
  s.discarded_keywords =
      parse_keywords(c.get<"smtpd_discard_ehlo_keywords">(), &unknown);
  complain(log, "smtpd_discard_ehlo_keywords", unknown);
  unknown.clear();
  s.notify_faults = parse_notify_classes(c.get<"notify_classes">(), &unknown);
  complain(log, "notify_classes", unknown);
  unknown.clear();
  s.override_flags =
      bits_of(c.get<"receive_override_options">(), override_words, &unknown);
  complain(log, "receive_override_options", unknown);
}

void read_lists(Settings& s, const config::Config& c, const log::Log& log) {
  const Reader reader(c, log);
  s.restrictions = reader.restrictions();
  s.local_clients =
      parse_restrictions(c.get<"local_header_rewrite_clients">(), {});
  s.mynetworks = reader.hosts("mynetworks");
  s.event_exceptions = reader.hosts("smtpd_client_event_limit_exceptions");
  s.xclient_hosts = reader.hosts("smtpd_authorized_xclient_hosts");
  s.xforward_hosts = reader.hosts("smtpd_authorized_xforward_hosts");
  s.bare_newline_exclusions =
      reader.hosts("smtpd_forbid_bare_newline_exclusions");
  s.forbidden_commands = reader.list("smtpd_forbidden_commands",
                                     c.get<"smtpd_forbidden_commands">(),
                                     MatchOptions::Kind::strings);
  s.noop_list =
      reader.list("smtpd_noop_commands", c.get<"smtpd_noop_commands">(),
                  MatchOptions::Kind::strings);
  s.parents_in_client_access = reader.parents("smtpd_access_maps");
  s.bare_newline = reader.bare_newline();
  for (const config::InterfaceAddress& a : config::chosen_addresses(
           config::interface_addresses(), c.get<"inet_interfaces">(),
           c.get<"inet_protocols">()))
    s.own_addresses.push_back(a.text());
}

}  // namespace

unsigned parse_keywords(std::string_view text,
                        std::vector<std::string>* unknown) {
  return static_cast<unsigned>(bits_of(text, keyword_words, unknown));
}

std::string keywords_text(unsigned keywords) {
  std::vector<std::string> words;
  for (const Word& word : keyword_words)
    if ((keywords & static_cast<unsigned>(word.bits)) != 0)
      words.emplace_back(word.name);
  return join(words, " ");
}

unsigned parse_notify_classes(std::string_view text,
                              std::vector<std::string>* unknown) {
  return static_cast<unsigned>(bits_of(text, notify_words, unknown));
}

Settings Settings::read(const config::Config& config, const log::Log& log) {
  Settings s;
  read_texts(s, config);
  read_switches(s, config);
  read_numbers(s, config);
  read_codes(s, config);
  read_words(s, config, log);
  read_lists(s, config, log);
  s.sasl = SaslSettings::read(config, log);
  s.tls = tls::ServerSettings::read(config);
  s.relay_clientcerts = config.get<"relay_clientcerts">();
  return s;
}

void Settings::open_tables() {
  for (MatchList* list :
       {&mynetworks, &event_exceptions, &xclient_hosts, &xforward_hosts,
        &bare_newline_exclusions, &forbidden_commands, &noop_list,
        &sasl.exceptions, &sasl.mechanism_filter})
    list->open_tables(true);
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

}  // namespace postern::smtpd
