// The parameters of message content, read once for each cleanup row.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/mail/header.h"

namespace postern::cleanup {

// Which addresses a mapping touches (canonical_classes, masquerade_classes).
struct AddressClasses {
  bool envelope_sender = false;
  bool envelope_recipient = false;
  bool header_sender = false;
  bool header_recipient = false;
};
AddressClasses parse_classes(std::string_view list);

// One address mapping: its tables and whom it touches.
struct Mapping {
  std::string title;  // the parameter, for log lines
  std::string maps;
  AddressClasses classes;
};

// Content inspection (header_checks(5), and parameters that refuse a message
// for its content).
struct CheckTables {
  std::string header, mime, nested, body;
  std::int64_t body_limit = 51200;  // body_checks_size_limit; 0: none
  bool ignore_mime = false;         // disable_mime_input_processing
  std::string refused, stripped;    // message_reject_characters, …_strip_…
  bool ascii_headers = false;       // strict_7bit_headers
  bool declared_bodies = false;     // strict_8bitmime_body
  bool encoding_domain = false;     // strict_mime_encoding_domain
  bool convert = false;             // force_mime_input_conversion
  std::size_t nesting = 100;        // mime_nesting_limit
  std::size_t boundary = 2048;      // mime_boundary_length_limit
  std::size_t line = 2048;          // line_length_limit

  bool any() const {
    return !header.empty() || !mime.empty() || !nested.empty() ||
           !body.empty();
  }
  bool strict() const {
    return ascii_headers || declared_bodies || encoding_domain;
  }
  // Must the body be looked at, or may it just pass?
  bool want_body() const { return any() || strict() || convert; }
};
// The characters that a list with C-like escapes stands for.
std::string parse_characters(std::string_view list);

struct Settings {
  explicit Settings(const config::Config& config);

  std::string myhostname, myorigin, mail_name;
  // Headers.
  bool always_add_missing_headers = false;
  mail::FromFormat from_format = mail::FromFormat::standard;
  std::string undisclosed_recipients_header;
  std::set<std::string> dropped_headers;  // lower case
  std::int64_t hopcount_limit = 50;
  std::size_t header_size_limit = 102400;
  std::size_t address_token_limit = 10240;
  std::int64_t message_size_limit = 0;  // 0: none
  bool replace_stray_cr = true;  // cleanup_replace_stray_cr_lf
  std::string remote_header_rewrite_domain;
  // smtputf8_autodetect_classes, lower case; "all" is one of them
  std::set<std::string> utf8_classes;
  bool detect_8bit = true;  // detect_8bit_encoding_header
  CheckTables checks;
  // Addresses.
  std::int64_t duplicate_limit = 1000;
  bool enable_original_recipient = true;
  std::string empty_recipient;  // empty_address_recipient
  Mapping sender_canonical, recipient_canonical, canonical;
  std::string virtual_alias_maps;
  std::int64_t expansion_limit = 1000;
  std::int64_t recursion_limit = 1000;
  std::size_t alias_length_limit = 1000;
  std::string always_bcc, sender_bcc_maps, recipient_bcc_maps;
  std::vector<std::string> masquerade_domains;
  std::set<std::string> masquerade_exceptions;  // lower case
  AddressClasses masquerade_classes;
  bool extend_canonical = true;  // propagate_unmatched_extensions
  bool extend_virtual = true;
  std::string delimiters;  // recipient_delimiter
  bool owner_request_special = true;
  std::string double_bounce;  // local part
  // Disk.
  std::int64_t queue_minfree = 0;

  mail::ExtensionRules extension_rules() const {
    return {delimiters, owner_request_special, double_bounce};
  }
};

}  // namespace postern::cleanup
