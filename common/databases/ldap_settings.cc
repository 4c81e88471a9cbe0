#include "common/databases/ldap_settings.h"

#include "common/base/text.h"

namespace postern::databases {
namespace {

int scope_of(Settings& settings) {
  const std::string text = to_lower(settings.text("scope", "sub", 1));
  if (text == "base") return 0;
  if (text == "one") return 1;
  if (text != "sub")
    settings.refuse("scope", "unrecognized value " + text +
                                 " specified for scope; use sub, one or base");
  return 2;
}

bool bind_of(Settings& settings) {
  const std::string text = to_lower(settings.text("bind", "yes", 1));
  if (text == "no" || text == "none") return false;
  if (text == "sasl")
    settings.refuse("bind", "bind = sasl is not supported; use \"bind = yes\" "
                            "with bind_dn and bind_pw, protected by start_tls "
                            "or ldaps:");
  else if (text != "yes" && text != "simple")
    settings.refuse("bind", "unsupported bind mode: " + text +
                                "; use yes or no");
  return true;
}

// yes or no, 1 or 0.
bool switched_on(Settings& settings, std::string_view name) {
  const std::string text = settings.text(name, "0");
  if (text == "0" || text == "1") return text == "1";
  return settings.boolean(name, false);
}

void read_tls(Settings& settings, LdapSettings& ldap) {
  ldap.start_tls = settings.boolean("start_tls", false);
  ldap.tls_ca_directory = settings.text("tls_ca_cert_dir", "");
  ldap.tls_ca_file = settings.text("tls_ca_cert_file", "");
  ldap.tls_certificate = settings.text("tls_cert", "");
  ldap.tls_key = settings.text("tls_key", "");
  ldap.tls_require_certificate = settings.boolean("tls_require_cert", false);
  ldap.tls_random_file = settings.text("tls_random_file", "");
  ldap.tls_ciphers = settings.text("tls_cipher_suite", "");
  if (ldap.version < 3 && ldap.start_tls)
    settings.refuse("start_tls", "start_tls requires version 3");
}

void ignore_old(Settings& settings, const tables::Warn& warn) {
  for (const char* name : {"cache", "cache_expiry", "cache_size"})
    if (settings.has(name) && warn)
      warn(settings.title() + ": " + name +
           " is ignored: the library has no cache");
  for (const char* name : {"sasl_mechs", "sasl_realm", "sasl_authz_id",
                           "sasl_minssf"})
    if (settings.has(name) && warn)
      warn(settings.title() + ": " + name +
           " has no effect: bind = sasl is not supported");
}

}  // namespace

std::string ldap_uris(std::string_view hosts, std::int64_t port) {
  std::string all;
  for (const std::string& word : split_words(hosts)) {
    if (!all.empty()) all += ' ';
    if (word.find("://") != std::string::npos) {
      all += word;
      continue;
    }
    const std::size_t bracket = word.rfind(']');
    const bool has_port =
        word.find(':', bracket == std::string::npos ? 0 : bracket) !=
        std::string::npos;
    all += "ldap://" + word;
    if (!has_port) all += ":" + std::to_string(port);
  }
  return all;
}

LdapSettings LdapSettings::read(Settings& settings,
                                const tables::OpenOptions& options) {
  LdapSettings ldap;
  ldap.version = static_cast<int>(settings.number("version", 3, 2, 3));
  const std::int64_t port = settings.number("server_port", 389, 1, 65535);
  ldap.uris = ldap_uris(settings.text("server_host", "localhost", 1), port);
  ldap.timeout = settings.number("timeout", 10, 1, 3600);
  read_template(settings, "search_base", settings.text("search_base", ""),
                "query", ldap.base);
  read_template(
      settings, "query_filter",
      settings.text("query_filter", "(mailacceptinggeneralid=%s)", 1), "query",
      ldap.filter);
  ldap.scope = scope_of(settings);
  ldap.bind = bind_of(settings);
  ldap.bind_dn = settings.text("bind_dn", "");
  ldap.bind_password = settings.text("bind_pw", "");
  ldap.plain = split_words(settings.text("result_attribute", "maildrop"));
  ldap.special = split_words(settings.text("special_result_attribute", ""));
  ldap.terminal = split_words(settings.text("terminal_result_attribute", ""));
  ldap.leaf = split_words(settings.text("leaf_result_attribute", ""));
  ldap.recursion_limit = settings.number("recursion_limit", 1000, 1);
  ldap.plan.read(settings, options, "result_filter");
  ldap.size_limit = settings.number("size_limit", ldap.plan.expansion_limit);
  ldap.dereference = static_cast<int>(settings.number("dereference", 0, 0, 3));
  ldap.chase_referrals = switched_on(settings, "chase_referrals");
  ldap.debug_level = static_cast<int>(settings.number("debuglevel", 0));
  read_tls(settings, ldap);
  ignore_old(settings, options.warn);
  if (ldap.plain.empty() && ldap.special.empty() && ldap.terminal.empty() &&
      ldap.leaf.empty())
    settings.refuse("result_attribute", "no result attributes are specified");
  return ldap;
}

bool LdapSettings::tls_configured() const {
  return start_tls || uris.find("ldaps:") != std::string::npos;
}

namespace {

std::string hex(char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', digits[byte >> 4], digits[byte & 15]};
}

}  // namespace

std::string ldap_filter_value(std::string_view text) {
  std::string all;
  for (const char c : text)
    all += std::string_view("*()\\\0", 5).find(c) != std::string_view::npos
               ? hex(c)
               : std::string(1, c);
  return all;
}

std::string ldap_dn_value(std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool edge_space =
        c == ' ' && (i == 0 || i + 1 == text.size());
    const bool first_hash = c == '#' && i == 0;
    if (c == '\0')
      all += hex(c);
    else if (edge_space || first_hash ||
             std::string_view("\"+,;<>=\\").find(c) != std::string_view::npos)
      (all += '\\') += c;
    else
      all += c;
  }
  return all;
}

}  // namespace postern::databases
