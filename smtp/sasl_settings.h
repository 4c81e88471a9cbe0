// smtp_sasl_* (lmtp_sasl_*) of main.conf.
#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/tables/match_list.h"
#include "smtp/sasl_choice.h"

namespace postern::smtp {

struct SaslSettings {
  bool enabled = false;
  std::string password_maps;
  // The sender's own password goes before the server's.
  bool sender_dependent = false;
  std::string extension_delimiters;  // recipient_delimiter
  // Empty: all mechanisms are allowed.
  std::shared_ptr<tables::MatchList> filter;
  bool filter_names_tokens = false;  // XOAUTH2 or OAUTHBEARER stand there
  SecurityOptions plain;             // without TLS
  SecurityOptions tls;
  SecurityOptions tls_verified;  // the server has proved its name
  bool soft_bounce = true;
  bool send_authzid = false;  // send_cyrus_sasl_authzid
  // Servers that have refused a password are not asked again so soon.
  bool remember_refusals = false;
  Millis remember_for = Seconds(90L * 86400);
};

}  // namespace postern::smtp
