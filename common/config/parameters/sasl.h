// Parameters of SASL authentication, server and clients.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row sasl_rows[] = {
    boolean("broken_sasl_auth_clients", "no", ""),
    path("cyrus_sasl_config_path", "", ""),
    text("lmtp_sasl_auth_cache_name", "", ""),
    duration("lmtp_sasl_auth_cache_time", "90d", ""),
    boolean("lmtp_sasl_auth_enable", "no", ""),
    boolean("lmtp_sasl_auth_soft_bounce", "yes", ""),
    text("lmtp_sasl_mechanism_filter", "", ""),
    list("lmtp_sasl_password_maps", "", ""),
    text("lmtp_sasl_path", "", ""),
    list("lmtp_sasl_security_options", "noplaintext, noanonymous", ""),
    list("lmtp_sasl_tls_security_options", "$lmtp_sasl_security_options", ""),
    list("lmtp_sasl_tls_verified_security_options",
         "$lmtp_sasl_tls_security_options",
         ""),
    text("lmtp_sasl_type", "cyrus", ""),
    boolean("send_cyrus_sasl_authzid", "no", ""),
    text("smtp_sasl_auth_cache_name", "", ""),
    duration("smtp_sasl_auth_cache_time", "90d", ""),
    boolean("smtp_sasl_auth_enable", "no", ""),
    boolean("smtp_sasl_auth_soft_bounce", "yes", ""),
    list("smtp_sasl_mechanism_filter", "", ""),
    list("smtp_sasl_password_maps", "", ""),
    text("smtp_sasl_path", "", ""),
    list("smtp_sasl_security_options", "noplaintext, noanonymous", ""),
    list("smtp_sasl_tls_security_options", "$smtp_sasl_security_options", ""),
    list("smtp_sasl_tls_verified_security_options",
         "$smtp_sasl_tls_security_options",
         ""),
    text("smtp_sasl_type", "cyrus", ""),
    boolean("smtpd_sasl_auth_enable", "no", ""),
    boolean("smtpd_sasl_authenticated_header", "no", ""),
    list("smtpd_sasl_exceptions_networks", "", ""),
    text("smtpd_sasl_local_domain", "", ""),
    list("smtpd_sasl_mechanism_filter", "!external, static:rest", ""),
    text("smtpd_sasl_path", "smtpd", ""),
    integer("smtpd_sasl_response_limit", "12288", "", 12288),
    list("smtpd_sasl_security_options", "noanonymous", ""),
    text("smtpd_sasl_service", "smtp", ""),
    list("smtpd_sasl_tls_security_options", "$smtpd_sasl_security_options", ""),
    text("smtpd_sasl_type", "cyrus", ""),
};

}  // namespace postern::config
