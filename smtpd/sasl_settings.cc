#include "smtpd/sasl_settings.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::smtpd {
namespace {

using tables::MatchList;
using tables::MatchOptions;

struct OptionWord {
  std::string_view word;
  unsigned refused = 0;
  unsigned required = 0;
};

constexpr OptionWord option_words[] = {
    {"noplaintext", mechanism_plaintext},
    {"noactive", mechanism_active},
    {"nodictionary", mechanism_dictionary},
    {"noanonymous", mechanism_anonymous},
    {"mutual_auth", 0, mechanism_mutual},
    {"forward_secrecy", 0, mechanism_forward_secrecy},
};

MatchList list(const char* name, const std::string& value,
               MatchOptions::Kind kind, const log::Log& log) {
  MatchOptions options;
  options.kind = kind;
  options.title = name;
  options.tables.warn = [log](std::string_view line) { log.warning(line); };
  return MatchList::parse(value, std::move(options));
}

SaslSettings::Type type_of(const std::string& name) {
  if (name == "cyrus") return SaslSettings::Type::cyrus;
  if (name == "dovecot") return SaslSettings::Type::dovecot;
  if (name == "postern") return SaslSettings::Type::postern;
  return SaslSettings::Type::unknown;
}

// An option that is misspelt would let in what it was to keep out.
std::string fault_of(const SaslSettings& s,
                     const std::vector<std::string>& unknown) {
  if (!s.enabled) return "";
  if (s.type == SaslSettings::Type::unknown)
    return "smtpd_sasl_type: there is no \"" + s.type_name +
           "\"; choose dovecot, cyrus or postern";
  if (!unknown.empty())
    return "smtpd_sasl_security_options or smtpd_sasl_tls_security_options: "
           "unknown option \"" + unknown.front() + "\"";
  return "";
}

}  // namespace

SecurityOptions parse_security_options(std::string_view text,
                                       std::vector<std::string>* unknown) {
  SecurityOptions out;
  for (const std::string& given : split_words(text)) {
    const OptionWord* found = std::find_if(
        std::begin(option_words), std::end(option_words),
        [&](const OptionWord& row) { return equal_nocase(row.word, given); });
    if (found != std::end(option_words)) {
      out.refused |= found->refused;
      out.required |= found->required;
    } else if (unknown != nullptr) {
      unknown->push_back(given);
    }
  }
  return out;
}

SaslSettings SaslSettings::read(const config::Config& c, const log::Log& log) {
  SaslSettings s;
  s.enabled = c.get<"smtpd_sasl_auth_enable">();
  s.tls_only = c.get<"smtpd_tls_auth_only">();
  s.old_announcement = c.get<"broken_sasl_auth_clients">();
  s.show_in_header = c.get<"smtpd_sasl_authenticated_header">();
  s.response_limit = c.get<"smtpd_sasl_response_limit">();
  s.rate_limit = c.get<"smtpd_client_auth_rate_limit">();
  s.type_name = c.get<"smtpd_sasl_type">();
  s.type = type_of(s.type_name);
  s.path = c.get<"smtpd_sasl_path">();
  s.service = c.get<"smtpd_sasl_service">();
  s.realm = c.get<"smtpd_sasl_local_domain">();
  s.login_maps = c.get<"smtpd_sender_login_maps">();
  std::vector<std::string> unknown;
  s.plain = parse_security_options(c.get<"smtpd_sasl_security_options">(),
                                   &unknown);
  s.tls = parse_security_options(c.get<"smtpd_sasl_tls_security_options">(),
                                 &unknown);
  s.exceptions = list("smtpd_sasl_exceptions_networks",
                      c.get<"smtpd_sasl_exceptions_networks">(),
                      MatchOptions::Kind::addresses, log);
  s.mechanism_filter = list("smtpd_sasl_mechanism_filter",
                            c.get<"smtpd_sasl_mechanism_filter">(),
                            MatchOptions::Kind::strings, log);
  s.fault = fault_of(s, unknown);
  return s;
}

bool suits(const Mechanism& mechanism, const SaslSettings& settings,
           const SessionMeans& means) {
  const SecurityOptions& options =
      means.encrypted ? settings.tls : settings.plain;
  const unsigned flags = mechanism.flags;
  if ((flags & mechanism_private) != 0) return false;
  if ((flags & options.refused) != 0) return false;
  if ((flags & options.required) != options.required) return false;
  if ((flags & mechanism_channel_binding) != 0 && !means.channel_binding)
    return false;
  return mechanism.name != "EXTERNAL" || means.client_certificate;
}

}  // namespace postern::smtpd
