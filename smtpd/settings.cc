#include "smtpd/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/access/facts.h"

namespace postern::smtpd {
namespace {

using tables::MatchList;

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

BareNewline read_bare_newline(const config::Config& config,
                              const log::Log& log) {
  const std::string text = to_lower(config.get<"smtpd_forbid_bare_newline">());
  if (text == "no") return BareNewline::allow;
  if (text == "reject") return BareNewline::reject;
  if (text == "note") return BareNewline::note;
  if (text != "yes" && text != "normalize")
    log.warning("smtpd_forbid_bare_newline: \"{}\" is none of yes, "
                "normalize, note, reject, no; normalize is used", text);
  return BareNewline::normalize;
}

void read_texts(Settings& s, const config::Config& c) {
  s.mail_name = c.get<"mail_name">();
  s.banner = c.get<"smtpd_banner">();
  s.command_filter = c.get<"smtpd_command_filter">();
  s.cleanup_service = c.get<"cleanup_service_name">();
  s.content_filter = c.get<"content_filter">();
  s.double_bounce_sender = c.get<"double_bounce_sender">();
  s.error_notice_recipient = c.get<"error_notice_recipient">();
  s.bounce_notice_recipient = c.get<"bounce_notice_recipient">();
  s.reject_footer = c.get<"smtpd_reject_footer">();
  s.reject_footer_maps = c.get<"smtpd_reject_footer_maps">();
  s.discard_maps = c.get<"smtpd_discard_ehlo_keyword_address_maps">();
}

void read_switches(Settings& s, const config::Config& c) {
  s.per_request_deadline = c.get<"smtpd_per_request_deadline">();
  s.delay_open = c.get<"smtpd_delay_open_until_valid_rcpt">();
  s.helo_required = c.get<"smtpd_helo_required">();
  s.disable_vrfy = c.get<"disable_vrfy_command">();
  s.smtputf8 = c.get<"smtputf8_enable">();
  s.strict_smtputf8 = c.get<"strict_smtputf8">();
  s.strict_envelopes = c.get<"strict_rfc821_envelopes">();
  s.allow_min_user = c.get<"allow_min_user">();
  s.numeric_domain = c.get<"resolve_numeric_domain">();
  s.client_port_logging = c.get<"smtpd_client_port_logging">();
  s.peername_lookup = c.get<"smtpd_peername_lookup">();
  s.forbid_unauth_pipelining = c.get<"smtpd_forbid_unauth_pipelining">();
  s.hide_client = c.get<"smtpd_hide_client_session">();
}

void read_numbers(Settings& s, const config::Config& c) {
  s.timeout = c.get<"smtpd_timeout">();
  s.error_sleep = c.get<"smtpd_error_sleep_time">();
  s.min_data_rate = c.get<"smtpd_min_data_rate">();
  s.line_limit = c.get<"line_length_limit">();
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
  s.event_exceptions =
      access::host_list(c, log, "smtpd_client_event_limit_exceptions");
  s.xclient_hosts = access::host_list(c, log, "smtpd_authorized_xclient_hosts");
  s.verp_hosts = access::host_list(c, log, "smtpd_authorized_verp_clients");
  s.verp_delimiters = c.get<"default_verp_delimiters">();
  s.verp_delimiter_filter = c.get<"verp_delimiter_filter">();
  s.xforward_hosts =
      access::host_list(c, log, "smtpd_authorized_xforward_hosts");
  s.bare_newline_exclusions =
      access::host_list(c, log, "smtpd_forbid_bare_newline_exclusions");
  s.forbidden_commands =
      access::string_list(c, log, "smtpd_forbidden_commands");
  s.noop_list = access::string_list(c, log, "smtpd_noop_commands");
  s.bare_newline = read_bare_newline(c, log);
  s.bare_newline_code =
      static_cast<int>(c.get<"smtpd_forbid_bare_newline_reject_code">());
  s.probe_sender = access::ProbeSender(c);
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
  access::read(s, config, log);
  read_texts(s, config);
  read_switches(s, config);
  read_numbers(s, config);
  read_words(s, config, log);
  read_lists(s, config, log);
  s.sasl = SaslSettings::read(config, log);
  s.tls = tls::ServerSettings::read(config);
  return s;
}

void Settings::open_tables() {
  access::Settings::open_tables();
  for (MatchList* list :
       {&event_exceptions, &xclient_hosts, &xforward_hosts, &verp_hosts,
        &bare_newline_exclusions, &forbidden_commands, &noop_list,
        &sasl.exceptions, &sasl.mechanism_filter})
    list->open_tables(true);
}

}  // namespace postern::smtpd
