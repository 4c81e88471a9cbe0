// See address.h. Domain names are in domain.cc.
#include "common/mail/address.h"

#include "common/base/text.h"

namespace postern::mail {
namespace {

bool is_special(char c) {
  constexpr std::string_view specials = "()<>@,;:\\\"[]";
  return specials.find(c) != std::string_view::npos;
}

// Atoms joined by single dots (RFC 5321: Dot-string; UTF-8 by RFC 6531).
bool is_dot_string(std::string_view local) {
  if (local.empty() || local.front() == '.' || local.back() == '.')
    return false;
  char previous = 0;
  for (const char c : local) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || is_special(c)) return false;
    if (c == '.' && previous == '.') return false;
    previous = c;
  }
  return true;
}

std::string quote_local(std::string_view internal,
                        std::string_view escaped_characters) {
  if (internal.empty()) return {};
  const AddressParts parts = split_address(internal);
  if (is_dot_string(parts.local)) return std::string(internal);
  std::string external = "\"";
  for (const char c : parts.local) {
    if (escaped_characters.find(c) != std::string_view::npos) external += '\\';
    external += c;
  }
  external += '"';
  if (parts.has_at) external.append("@").append(parts.domain);
  return external;
}

// Position of the last @ outside of quotes.
std::size_t last_unquoted_at(std::string_view external) {
  std::size_t at = std::string_view::npos;
  bool quoted = false;
  for (std::size_t i = 0; i < external.size(); ++i) {
    if (external[i] == '\\') {
      ++i;
    } else if (external[i] == '"') {
      quoted = !quoted;
    } else if (external[i] == '@' && !quoted) {
      at = i;
    }
  }
  return at;
}

bool is_uncut(std::string_view local, const ExtensionRules& rules) {
  if (equal_nocase(local, "postmaster") ||
      equal_nocase(local, "mailer-daemon") ||
      equal_nocase(local, rules.double_bounce))
    return true;
  constexpr std::string_view request = "-request";
  return rules.owner_request_special &&
         rules.delimiters.find('-') != std::string_view::npos &&
         (starts_with_nocase(local, "owner-") ||
          (local.size() > request.size() && ends_with_nocase(local, request)));
}

}  // namespace

AddressParts split_address(std::string_view internal) {
  const std::size_t at = internal.rfind('@');
  if (at == std::string_view::npos) return {internal, {}, false};
  return {internal.substr(0, at), internal.substr(at + 1), true};
}

std::string quote_local_821(std::string_view internal) {
  return quote_local(internal, "\r\n\"\\");
}

std::string quote_local_822(std::string_view internal) {
  return quote_local(internal, "\r\"\\");
}

std::string unquote_local(std::string_view external) {
  const std::size_t at = last_unquoted_at(external);
  const std::string_view local = external.substr(0, at);
  std::string internal;
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '\\' && i + 1 < local.size())
      internal += local[++i];
    else if (local[i] != '"')
      internal += local[i];
  }
  if (at != std::string_view::npos) internal += external.substr(at);
  return internal;
}

std::string_view strip_route(std::string_view internal) {
  if (internal.empty() || internal.front() != '@') return internal;
  bool in_literal = false;
  for (std::size_t i = 1; i < internal.size(); ++i) {
    const char c = internal[i];
    if (c == '[' || c == ']') in_literal = c == '[';
    if (c == ':' && !in_literal) return internal.substr(i + 1);
  }
  return internal;
}

std::optional<Extension> split_extension(std::string_view local,
                                         const ExtensionRules& rules) {
  if (rules.delimiters.empty() || is_uncut(local, rules)) return std::nullopt;
  const std::size_t at = local.find_first_of(rules.delimiters);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  return Extension{local.substr(0, at), local[at], local.substr(at + 1)};
}

std::optional<std::string> strip_extension(std::string_view internal,
                                           const ExtensionRules& rules,
                                           std::string* extension) {
  const AddressParts parts = split_address(internal);
  const std::optional<Extension> cut = split_extension(parts.local, rules);
  if (!cut) return std::nullopt;
  if (extension) {
    *extension = cut->delimiter;
    extension->append(cut->extension);
  }
  std::string stripped(cut->base);
  if (parts.has_at) stripped.append("@").append(parts.domain);
  return stripped;
}

}  // namespace postern::mail
