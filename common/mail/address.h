// Addresses: the internal form, in which the local part carries no quotes and
// everything before the last @ is local part, and the external forms of
// RFC 5321 section 4.1.2 and RFC 5322 section 3.4.1. Domain names and address
// literals are judged here, lookups folded, extensions taken off.
// Read next: path.h (addresses in SMTP commands), tokens.h (in headers).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::mail {

// An internal address at its last @. Both view into the argument.
struct AddressParts {
  std::string_view local;
  std::string_view domain;  // "" also when there is no @
  bool has_at = false;
};
AddressParts split_address(std::string_view internal);

// The internal form as it is written in SMTP commands (821) and in headers
// (822): the local part is quoted unless it is a dot-string of atoms. UTF-8
// passes. An empty address stays empty.
std::string quote_local_821(std::string_view internal);
std::string quote_local_822(std::string_view internal);

// The internal form of an external address: quotes and backslashes go from
// everything before the last unquoted @.
std::string unquote_local(std::string_view external);

// "@a,@b:user@c" without its route (RFC 5321 appendix C); other addresses
// unchanged.
std::string_view strip_route(std::string_view internal);

// Why a name is no domain name (RFC 1035 section 2.3.4, RFC 1123 section
// 2.1): "" when it is one. Underscores pass, as people use them; a trailing
// dot does not; a name of digits and dots only is called an address.
std::string_view hostname_fault(std::string_view name);
bool valid_hostname(std::string_view name);
// As above, after a name with UTF-8 labels became its ASCII form.
bool valid_utf8_hostname(std::string_view name);

bool valid_ipv4(std::string_view text);
bool valid_ipv6(std::string_view text);
bool valid_hostaddr(std::string_view text);  // either
// What stands between the brackets of a literal: "1.2.3.4" or "IPv6:::1".
bool valid_literal_address(std::string_view text);
// With the brackets (RFC 5321 section 4.1.3). The address in it, without
// "IPv6:", or nullopt when this is no literal.
std::optional<std::string_view> parse_literal(std::string_view text);
bool valid_literal(std::string_view text);

// IDNA2008 (RFC 5890) with the mapping of UTS 46, both ways, one name or a
// ".suffix" of names. ASCII input is folded to lower case only.
Result<std::string> domain_to_ascii(std::string_view domain);
Result<std::string> domain_to_utf8(std::string_view domain);

// The key under which tables know a name: lower case, UTF-8 included where
// the text is valid UTF-8.
std::string fold_key(std::string_view text);

struct ExtensionRules {
  std::string_view delimiters;  // recipient_delimiter, a set of characters
  bool owner_request_special = true;
  std::string_view double_bounce = "double-bounce";  // double_bounce_sender
};
struct Extension {
  std::string_view base;
  char delimiter;
  std::string_view extension;  // may be empty: "user+"
};
// Cuts a local part at its first delimiter. nullopt when it has none, would
// be left empty, or belongs to an account that is never cut: postmaster,
// mailer-daemon, the double-bounce sender, and with `owner_request_special`
// and "-" among the delimiters owner-list and list-request.
std::optional<Extension> split_extension(std::string_view local,
                                         const ExtensionRules& rules);

// The address without its extension; nullopt when it has none.
// `extension`, if given, receives delimiter and extension ("+ext").
std::optional<std::string> strip_extension(std::string_view internal,
                                           const ExtensionRules& rules,
                                           std::string* extension = nullptr);

}  // namespace postern::mail
