// The arguments of MAIL and RCPT (RFC 5321 sections 4.1.1.2, 4.1.1.3) and
// their parameters: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531) and
// those for delivery status notifications (RFC 3461).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

struct PathRules {
  bool strict = false;          // strict_rfc821_envelopes
  bool allow_empty = false;     // <> is a sender, never a recipient
  bool numeric_domain = false;  // resolve_numeric_domain
};

// The address of a path in internal form, "" for <>. Without `strict`, angle
// brackets may be missing and comments are skipped. A source route is taken
// off. nullopt: not an address, more than one, or one whose domain is neither
// a host name nor a literal. Lengths are limited for domain names only.
std::optional<std::string> parse_path(std::string_view path,
                                      const PathRules& rules);

// The domain of an internal address can be looked up or is a literal; a
// trailing dot is forgiven, a missing domain too.
bool plausible_domain(std::string_view internal, bool numeric_domain);

struct Parameter {
  std::string key;                   // as it was given
  std::optional<std::string> value;  // after "=", may be empty
  std::string text;                  // the whole of it, for replies

  bool is(std::string_view name) const;  // whatever the case
};
Parameter parse_parameter(std::string_view text);

struct EnvelopeArguments {
  std::string path;  // as it was given: <a@b> or a@b
  std::vector<Parameter> parameters;
};
// What follows the verb: "FROM:<a@b> SIZE=5" with keyword "FROM". nullopt:
// no keyword, no path, or brackets or quotes that are not closed
// (`unclosed` is then set, when given: RFC 5321 calls the former a syntax
// error of the command, the latter one of the address).
std::optional<EnvelopeArguments> split_envelope_arguments(
    std::string_view arguments, std::string_view keyword,
    bool* unclosed = nullptr);

// xtext (RFC 3461 section 4). Decoding is nullopt for a broken "+XX" or
// characters outside of "!" to "~"; hexadecimal digits may be lower case.
std::string xtext_encode(std::string_view text);
std::optional<std::string> xtext_decode(std::string_view xtext);

// The values of parameters. nullopt: malformed.
// SIZE: digits only; numbers beyond 63 bits become INT64_MAX.
std::optional<std::int64_t> parse_size(std::string_view value);

enum class Body { seven_bit, eight_bit_mime };
std::optional<Body> parse_body(std::string_view value);

enum class Return { full, headers };
std::optional<Return> parse_ret(std::string_view value);

// ENVID, decoded: not empty, printable ASCII.
std::optional<std::string> parse_envid(std::string_view value);

// RFC 3461 section 4.1; a set of flags.
struct Notify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;

  bool operator==(const Notify&) const = default;
  bool any() const { return never || success || failure || delay; }
};
// `unknown`, if given, receives the keyword that is none.
std::optional<Notify> parse_notify(std::string_view value,
                                   std::string* unknown = nullptr);
std::string to_text(const Notify& notify);  // "SUCCESS,FAILURE"

// ORCPT, decoded: "addr-type;address" (RFC 3461 section 4.2). The address of
// type utf-8 may hold UTF-8 and "\x{HEX}" (RFC 6533 section 3).
std::optional<std::string> parse_orcpt(std::string_view value);
// The value to send for a decoded one; without `utf8_allowed` (the session has
// no SMTPUTF8) it is ASCII.
std::string orcpt_value(std::string_view decoded, bool utf8_allowed = false);

}  // namespace postern::mail
