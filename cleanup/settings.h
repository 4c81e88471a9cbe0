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
