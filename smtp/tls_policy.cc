#include "smtp/tls_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::smtp {
namespace {

// Digests by the number of the matching type (RFC 6698 2.1.3).
constexpr std::array<std::string_view, 3> matching_names = {"full", "sha256",
                                                            "sha512"};
constexpr int dane_ta = 2;
constexpr int dane_ee = 3;

Trouble configuration_problem() {
  return try_later("7.5", "client TLS configuration problem");
}

// Takes one attribute; Trouble is what is wrong with it.
class LineReader {
 public:
  explicit LineReader(PolicyLine& line) : line_(line) {}

  Status take(const std::string& name, std::string value) {
    if (equal_nocase(name, "connection_reuse")) return take_reuse(value);
    const Status known = judge(name);
    if (!known) return known;
    if (value.empty() && !equal_nocase(name, "exclude"))
      return wrong("attribute \"{}\" has empty value", name);
    if (equal_nocase(name, "match")) return take_match(value);
    if (equal_nocase(name, "tafile")) {
      line_.trust_anchor_files.push_back(std::move(value));
      return {};
    }
    std::optional<std::string>& place = *single(name);
    if (place) return wrong("attribute \"{}\" is specified multiple times", name);
    place = std::move(value);
    return {};
  }

 private:
  template <class... Values>
  static Trouble wrong(fmt::format_string<const Values&...> format,
                       const Values&... values) {
    return try_later("7.5", fmt::format(format, values...));
  }

  std::optional<std::string>* single(std::string_view name) {
    if (equal_nocase(name, "ciphers")) return &line_.ciphers;
    if (equal_nocase(name, "protocols")) return &line_.protocols;
    if (equal_nocase(name, "exclude")) return &line_.exclude;
    if (equal_nocase(name, "servername")) return &line_.servername;
    return nullptr;
  }

  // Is there such an attribute, at this level?
  Status judge(const std::string& name) {
    const bool match = equal_nocase(name, "match");
    const bool anchor = equal_nocase(name, "tafile");
    if (!match && !anchor && single(name) == nullptr)
      return wrong("invalid attribute name: \"{}\"", name);
    const bool misplaced = (match && !requires_match(line_.level)) ||
                           (anchor && !by_authorities(line_.level));
    if (misplaced)
      return wrong("attribute \"{}\" invalid at security level \"{}\"", name,
                   name_of(line_.level));
    return {};
  }

  Status take_match(const std::string& value) {
    const bool digests = line_.level == TlsLevel::fingerprint;
    for (std::string& one : split_words(value, digests ? "|" : ":"))
      line_.match.push_back(std::move(one));
    return {};
  }

  Status take_reuse(const std::string& value) {
    if (!equal_nocase(value, "yes") && !equal_nocase(value, "no"))
      return wrong("attribute \"connection_reuse\" has bad value: \"{}\"",
                   value);
    line_.connection_reuse = equal_nocase(value, "yes");
    return {};
  }

  PolicyLine& line_;
};

// Where none of a list's words stands for something else: the name itself.
std::string meant_by(const std::string& word, const ServerFacts& server) {
  if (equal_nocase(word, "nexthop")) return server.next_hop;
  if (equal_nocase(word, "dot-nexthop")) return "." + server.next_hop;
  if (equal_nocase(word, "hostname")) return server.host;
  return word;
}

std::vector<std::string> names_to_match(const std::vector<std::string>& words,
                                        const ServerFacts& server) {
  std::vector<std::string> names;
  for (const std::string& word : words)
    names.push_back(meant_by(word, server));
  return names;
}

// What is not said by the table is said by main.conf.
TlsPolicy with_defaults(TlsLevel level, const SitePolicy& site,
                        const ServerFacts& server,
                        const TlsSettings& settings) {
  static const PolicyLine nothing;
  const PolicyLine& line = site.line ? *site.line : nothing;
  const bool mandatory = requires_tls(level);
  TlsPolicy policy;
  policy.level = level;
  if (level == TlsLevel::none) return policy;
  policy.protocols = line.protocols.value_or(
      mandatory ? settings.mandatory_protocols : settings.protocols);
  policy.ciphers = line.ciphers.value_or(mandatory ? settings.mandatory_ciphers
                                                   : settings.ciphers);
  policy.exclude = line.exclude.value_or(
      mandatory ? settings.exclude_ciphers + " " +
                      settings.mandatory_exclude_ciphers
                : settings.exclude_ciphers);
  // Who must be encrypted must not be it by a cipher without a key, and who
  // must be known not by one without a certificate.
  if (mandatory) policy.exclude += requires_match(level) ? " aNULL" : " eNULL";
  const std::string sni =
      meant_by(line.servername.value_or(settings.servername), server);
  if (mail::valid_hostname(sni)) policy.servername = sni;
  policy.connection_reuse =
      line.connection_reuse.value_or(settings.connection_reuse);
  return policy;
}

void match_names(TlsPolicy& policy, const SitePolicy& site,
                 const ServerFacts& server, const TlsSettings& settings) {
  const bool listed = site.line && !site.line->match.empty();
  if (policy.level == TlsLevel::fingerprint) {
    policy.match = listed ? site.line->match : settings.fingerprint_match;
    return;
  }
  const std::vector<std::string>& words =
      listed                               ? site.line->match
      : policy.level == TlsLevel::verify ? settings.verify_match
                                         : settings.secure_match;
  policy.match = names_to_match(words, server);
  if (site.line) policy.trust_anchor_files = site.line->trust_anchor_files;
}

// Why DANE cannot be had from the settings, whoever the server is.
std::optional<std::string> unable(const SitePolicy& site,
                                  const ServerFacts& server,
                                  const TlsSettings& settings) {
  if (server.local_socket)
    return fmt::format(
        "{}: the \"dane\" security level is invalid for delivery via "
        "unix-domain sockets",
        server.next_hop);
  if (!settings.dnssec)
    return fmt::format("{}: {} configured with dnssec lookups disabled",
                       server.next_hop, name_of(site.level));
  if (settings.ignore_mx_errors)
    return fmt::format("{}: {} configured with MX lookup errors ignored",
                       server.next_hop, name_of(site.level));
  return std::nullopt;
}

bool insecure_mx(const ServerFacts& server) {
  return server.by_mx && !server.mx_secure;
}

// Is the way to the server signed as far as the level wants it?
bool signed_destination(const SitePolicy& site, const ServerFacts& server,
                        const TlsSettings& settings) {
  const bool lenient = site.level != TlsLevel::dane_only &&
                       requires_tls(settings.insecure_mx);
  return !insecure_mx(server) || lenient;
}

// With usable records: what they are held against, and in whose name.
TlsPolicy by_records(const SitePolicy& site, const ServerFacts& server,
                     const TlsaAnswer& tlsa, const TlsSettings& settings) {
  TlsLevel level = site.level;
  if (insecure_mx(server))
    level = settings.insecure_mx == TlsLevel::dane ? TlsLevel::half_dane
                                                   : TlsLevel::encrypt;
  TlsPolicy policy = with_defaults(level, site, server, settings);
  policy.servername = tlsa.base;
  if (!by_dane(level)) return policy;
  policy.tlsa = tlsa.usable;
  policy.tlsa_base = tlsa.base;
  // RFC 7672 3.2.2; of DANE-EE records the name does not count.
  policy.match = {tlsa.base};
  if (server.by_mx)
    for (const std::string& name : {server.mx_canonical, server.next_hop})
      if (!name.empty() && std::find(policy.match.begin(), policy.match.end(),
                                     name) == policy.match.end())
        policy.match.push_back(name);
  return policy;
}

// No (usable) records: encrypted all the same, or not at all.
Result<TlsPolicy> without_records(const SitePolicy& site,
                                  const ServerFacts& server,
                                  const TlsSettings& settings,
                                  TlsLevel fall_back, std::string why) {
  if (site.level == TlsLevel::dane_only)
    return try_later("7.5", std::move(why));
  return with_defaults(fall_back, site, server, settings);
}

Result<TlsPolicy> dane_policy(const SitePolicy& site, const ServerFacts& server,
                              const TlsaAnswer& tlsa,
                              const TlsSettings& settings, int port,
                              std::vector<std::string>& notices) {
  if (auto why = unable(site, server, settings)) {
    notices.push_back(std::move(*why));
    // Who asks for DANE over a local socket gets nothing less.
    if (server.local_socket || site.level == TlsLevel::dane_only)
      return configuration_problem();
    return with_defaults(TlsLevel::may, site, server, settings);
  }
  if (!signed_destination(site, server, settings))
    return without_records(site, server, settings, TlsLevel::may,
                           "non DNSSEC destination");
  if (tlsa.kind == TlsaAnswer::Kind::failed)
    return try_later("7.5",
                     fmt::format("TLSA lookup error for {}:{}", server.host,
                                 port));
  if (tlsa.kind != TlsaAnswer::Kind::records)
    return without_records(site, server, settings, TlsLevel::may,
                           "no TLSA records found");
  if (tlsa.usable.empty())
    return without_records(site, server, settings, TlsLevel::encrypt,
                           "TLSA records unusable");
  return by_records(site, server, tlsa, settings);
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char folded = lower(c);
  return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

std::size_t strength(int matching, const std::vector<std::string>& digests) {
  const std::string_view name =
      matching_names[static_cast<std::size_t>(matching)];
  const auto found = std::find_if(
      digests.begin(), digests.end(),
      [&](const std::string& one) { return equal_nocase(one, name); });
  return static_cast<std::size_t>(found - digests.begin());
}

std::size_t digest_size(int matching) { return matching == 1 ? 32 : 64; }

bool can_act_on(const Tlsa& one, const std::vector<std::string>& digests) {
  if (one.usage != dane_ta && one.usage != dane_ee) return false;
  if (one.selector < 0 || one.selector > 1) return false;
  if (one.matching == 0) return !one.data.empty();
  if (one.matching < 0 || one.matching > 2) return false;
  return strength(one.matching, digests) < digests.size() &&
         one.data.size() == digest_size(one.matching);
}

}  // namespace

Result<PolicyLine> parse_policy_line(std::string_view text,
                                     std::string_view where,
                                     std::vector<std::string>& notices) {
  const auto invalid = [&](std::string_view what) {
    return try_later("7.5", fmt::format("{}: {}", where, what));
  };
  const std::vector<std::string> words = split_words(text);
  if (words.empty()) return invalid("invalid empty policy");
  const auto level = parse_tls_level(words[0]);
  if (!level)
    return invalid(fmt::format("invalid security level \"{}\"", words[0]));
  PolicyLine line;
  line.level = *level;
  LineReader reader(line);
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (line.level == TlsLevel::none) {
      notices.push_back(
          fmt::format("{}: ignoring attribute \"{}\" with TLS disabled", where,
                      words[i]));
      continue;
    }
    const std::size_t equals = words[i].find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(fmt::format("malformed attribute/value pair \"{}\": {}",
                                 words[i],
                                 equals == 0 ? "missing attribute name"
                                             : "missing '=' after attribute "
                                               "name"));
    const Status taken =
        reader.take(words[i].substr(0, equals), words[i].substr(equals + 1));
    if (!taken) return invalid(taken.trouble().text);
  }
  return line;
}

std::vector<std::string> policy_keys(std::string_view next_hop) {
  std::vector<std::string> keys = {std::string(next_hop)};
  if (!mail::valid_hostname(next_hop)) return keys;
  for (std::size_t dot = next_hop.find('.', 1);
       dot != std::string_view::npos && dot + 1 < next_hop.size();
       dot = next_hop.find('.', dot + 1))
    keys.emplace_back(next_hop.substr(dot));
  return keys;
}

SitePolicy site_policy(std::optional<PolicyLine> line,
                       const TlsSettings& settings) {
  SitePolicy site;
  site.level = line ? line->level : settings.level;
  site.line = std::move(line);
  return site;
}

std::optional<Tlsa> parse_tlsa(std::string_view text) {
  const std::vector<std::string> words = split_words(text, " \t");
  if (words.size() < 4) return std::nullopt;
  std::array<int, 3> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto number = parse_number(words[i]);
    if (!number || *number < 0 || *number > 255) return std::nullopt;
    numbers[i] = static_cast<int>(*number);
  }
  std::string hex;
  for (std::size_t i = 3; i < words.size(); ++i) hex += words[i];
  if (hex.size() % 2 != 0) return std::nullopt;
  Tlsa out{numbers[0], numbers[1], numbers[2], {}};
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]);
    const int low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.data += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::vector<Tlsa> usable_tlsa(const std::vector<Tlsa>& records,
                              const std::vector<std::string>& digests) {
  std::vector<Tlsa> out;
  for (const Tlsa& one : records) {
    if (!can_act_on(one, digests)) continue;
    const bool outdone = std::any_of(
        records.begin(), records.end(), [&](const Tlsa& other) {
          return can_act_on(other, digests) && other.usage == one.usage &&
                 other.selector == one.selector && other.matching != 0 &&
                 one.matching != 0 &&
                 strength(other.matching, digests) <
                     strength(one.matching, digests);
        });
    if (!outdone) out.push_back(one);
  }
  return out;
}

std::string TlsPolicy::identity() const {
  std::string out =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", name_of(level),
                  protocols, ciphers, exclude, join(match, ","), servername,
                  join(trust_anchor_files, ","), connection_reuse, tlsa_base);
  for (const Tlsa& one : tlsa)
    out += fmt::format("\n{} {} {} {}", one.usage, one.selector, one.matching,
                       base64_encode(one.data));
  return out;
}

bool wants_tlsa(const SitePolicy& site, const ServerFacts& server,
                const TlsSettings& settings) {
  if (site.level != TlsLevel::dane && site.level != TlsLevel::dane_only)
    return false;
  if (unable(site, server, settings)) return false;
  // A zone that is not signed has no signed records below it.
  return signed_destination(site, server, settings) &&
         (server.host_secure || settings.force_insecure_host);
}

Result<TlsPolicy> policy_for(const SitePolicy& site, const ServerFacts& server,
                             const TlsaAnswer& tlsa,
                             const TlsSettings& settings, int port,
                             std::vector<std::string>& notices) {
  if (by_dane(site.level))
    return dane_policy(site, server, tlsa, settings, port, notices);
  TlsPolicy policy = with_defaults(site.level, site, server, settings);
  if (!requires_match(policy.level)) return policy;
  match_names(policy, site, server, settings);
  if (policy.match.empty()) {
    notices.push_back(
        policy.level == TlsLevel::fingerprint
            ? fmt::format("nexthop domain {}: configured at fingerprint "
                          "security level, but with no fingerprints to match.",
                          server.next_hop)
            : fmt::format("nexthop domain {}: configured at level {}, but "
                          "with no name to match",
                          server.next_hop, name_of(policy.level)));
    return configuration_problem();
  }
  return policy;
}

TlsPolicy without_tls() { return {}; }

}  // namespace postern::smtp
