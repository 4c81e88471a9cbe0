// The parameters of log-ins (SASL_README of Postfix), and which mechanisms
// they leave over. Next: command_auth.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/log/log.h"
#include "common/tables/match_list.h"
#include "smtpd/auth_protocol.h"

namespace postern::smtpd {

// What a mechanism must not be, and what it must be: MechanismFlag bits.
struct SecurityOptions {
  unsigned refused = 0;
  unsigned required = 0;
  bool operator==(const SecurityOptions&) const = default;
};
// Unknown words go to `unknown`.
SecurityOptions parse_security_options(std::string_view text,
                                       std::vector<std::string>* unknown);

struct SaslSettings {
  // Who knows the passwords.
  enum class Type { cyrus, dovecot, postern, unknown };

  static SaslSettings read(const config::Config& config, const log::Log& log);

  bool enabled = false;
  bool tls_only = false;       // smtpd_tls_auth_only
  bool old_announcement = false;  // broken_sasl_auth_clients
  bool show_in_header = false;
  std::int64_t response_limit = 0;
  std::int64_t rate_limit = 0;  // smtpd_client_auth_rate_limit
  Type type = Type::cyrus;
  std::string type_name, path, service, realm, login_maps;
  SecurityOptions plain, tls;
  tables::MatchList exceptions;        // smtpd_sasl_exceptions_networks
  tables::MatchList mechanism_filter;
  // What is wrong with the above so that the server must not run; "" nothing.
  std::string fault;
};

// What a session has to offer to a mechanism.
struct SessionMeans {
  bool encrypted = false;
  bool channel_binding = false;
  bool client_certificate = false;
};

// May the mechanism be used in such a session, the filter left aside?
bool suits(const Mechanism& mechanism, const SaslSettings& settings,
           const SessionMeans& means);

}  // namespace postern::smtpd
