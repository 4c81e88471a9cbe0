#include "cleanup/settings.h"

#include "common/base/text.h"

namespace postern::cleanup {
namespace {

std::set<std::string> lower_words(const std::string& list) {
  std::set<std::string> out;
  for (const std::string& word : split_words(list)) out.insert(to_lower(word));
  return out;
}

Mapping mapping(const config::Config& config, const std::string& name,
                const std::string& classes) {
  return {name, config.text(name), parse_classes(config.text(classes))};
}

}  // namespace

AddressClasses parse_classes(std::string_view list) {
  AddressClasses out;
  for (const std::string& word : split_words(list)) {
    if (equal_nocase(word, "envelope_sender")) out.envelope_sender = true;
    if (equal_nocase(word, "envelope_recipient")) out.envelope_recipient = true;
    if (equal_nocase(word, "header_sender")) out.header_sender = true;
    if (equal_nocase(word, "header_recipient")) out.header_recipient = true;
  }
  return out;
}

std::string parse_characters(std::string_view list) {
  constexpr std::string_view letters = "abfnrtv";
  constexpr std::string_view meaning = "\a\b\f\n\r\t\v";
  std::string out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] != '\\' || i + 1 == list.size()) {
      out += list[i];
      continue;
    }
    const std::size_t letter = letters.find(list[++i]);
    if (letter != std::string_view::npos) {
      out += meaning[letter];
    } else if (list[i] >= '0' && list[i] < '8') {
      int code = 0;
      std::size_t digits = 0;
      for (; digits < 3 && i + digits < list.size() &&
             list[i + digits] >= '0' && list[i + digits] < '8';
           ++digits)
        code = code * 8 + (list[i + digits] - '0');
      i += digits - 1;
      out += static_cast<char>(code);
    } else {
      out += list[i];
    }
  }
  return out;
}

namespace {

CheckTables read_checks(const config::Config& config) {
  CheckTables out;
  out.header = config.get<"header_checks">();
  out.mime = config.get<"mime_header_checks">();
  out.nested = config.get<"nested_header_checks">();
  out.body = config.get<"body_checks">();
  out.body_limit = config.get<"body_checks_size_limit">();
  out.ignore_mime = config.get<"disable_mime_input_processing">();
  out.refused = parse_characters(config.get<"message_reject_characters">());
  out.stripped = parse_characters(config.get<"message_strip_characters">());
  const bool both = config.get<"strict_8bitmime">();
  out.ascii_headers = both || config.get<"strict_7bit_headers">();
  out.declared_bodies = both || config.get<"strict_8bitmime_body">();
  out.encoding_domain = config.get<"strict_mime_encoding_domain">();
  out.convert =
      config.get<"force_mime_input_conversion">() && !out.ignore_mime;
  out.nesting = static_cast<std::size_t>(config.get<"mime_nesting_limit">());
  out.boundary =
      static_cast<std::size_t>(config.get<"mime_boundary_length_limit">());
  out.line = static_cast<std::size_t>(config.get<"line_length_limit">());
  return out;
}

}  // namespace

Settings::Settings(const config::Config& config) {
  myhostname = config.get<"myhostname">();
  myorigin = config.get<"myorigin">();
  mail_name = config.get<"mail_name">();
  always_add_missing_headers = config.get<"always_add_missing_headers">();
  if (equal_nocase(config.get<"header_from_format">(), "obsolete"))
    from_format = mail::FromFormat::obsolete;
  undisclosed_recipients_header = config.get<"undisclosed_recipients_header">();
  dropped_headers = lower_words(config.get<"message_drop_headers">());
  hopcount_limit = config.get<"hopcount_limit">();
  header_size_limit =
      static_cast<std::size_t>(config.get<"header_size_limit">());
  address_token_limit =
      static_cast<std::size_t>(config.get<"header_address_token_limit">());
  message_size_limit = config.get<"message_size_limit">();
  replace_stray_cr = config.get<"cleanup_replace_stray_cr_lf">();
  remote_header_rewrite_domain = config.get<"remote_header_rewrite_domain">();
  if (config.get<"smtputf8_enable">())
    utf8_classes = lower_words(config.get<"smtputf8_autodetect_classes">());
  detect_8bit = config.get<"detect_8bit_encoding_header">();
  checks = read_checks(config);
  duplicate_limit = config.get<"duplicate_filter_limit">();
  enable_original_recipient = config.get<"enable_original_recipient">();
  empty_recipient = config.get<"empty_address_recipient">();
  sender_canonical =
      mapping(config, "sender_canonical_maps", "sender_canonical_classes");
  recipient_canonical = mapping(config, "recipient_canonical_maps",
                                "recipient_canonical_classes");
  canonical = mapping(config, "canonical_maps", "canonical_classes");
  virtual_alias_maps = config.get<"virtual_alias_maps">();
  expansion_limit = config.get<"virtual_alias_expansion_limit">();
  recursion_limit = config.get<"virtual_alias_recursion_limit">();
  alias_length_limit = static_cast<std::size_t>(
      config.get<"virtual_alias_address_length_limit">());
  always_bcc = config.get<"always_bcc">();
  sender_bcc_maps = config.get<"sender_bcc_maps">();
  recipient_bcc_maps = config.get<"recipient_bcc_maps">();
  masquerade_domains = split_words(config.get<"masquerade_domains">());
  masquerade_exceptions = lower_words(config.get<"masquerade_exceptions">());
  masquerade_classes = parse_classes(config.get<"masquerade_classes">());
  const std::set<std::string> extended =
      lower_words(config.get<"propagate_unmatched_extensions">());
  extend_canonical = extended.count("canonical") > 0;
  extend_virtual = extended.count("virtual") > 0;
  delimiters = config.get<"recipient_delimiter">();
  owner_request_special = config.get<"owner_request_special">();
  double_bounce = config.get<"double_bounce_sender">();
  queue_minfree = config.get<"queue_minfree">();
}

}  // namespace postern::cleanup
