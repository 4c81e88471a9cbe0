// Parameters of mail filters that speak the milter protocol.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row milter_rows[] = {
    list("internal_mail_filter_classes", "", ""),
    duration("milter_command_timeout", "30s", "", 1),
    list("milter_connect_macros", "j {daemon_name} {daemon_addr} v _", ""),
    duration("milter_connect_timeout", "30s", "", 1),
    duration("milter_content_timeout", "300s", "", 1),
    list("milter_data_macros", "i", ""),
    text("milter_default_action", "tempfail", ""),
    list("milter_end_of_data_macros", "i", ""),
    list("milter_end_of_header_macros", "i", ""),
    list("milter_header_checks", "", ""),
    list("milter_helo_macros",
         "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
         ""),
    text("milter_macro_daemon_name", "$myhostname", ""),
    text("milter_macro_defaults", "", ""),
    text("milter_macro_v", "$mail_name $mail_version", ""),
    list("milter_mail_macros",
         "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} "
         "{mail_mailer}",
         ""),
    text("milter_protocol", "6", ""),
    list("milter_rcpt_macros", "i {rcpt_addr} {rcpt_host} {rcpt_mailer}", ""),
    list("milter_unknown_command_macros", "", ""),
    list("non_smtpd_milters", "", ""),
    list("smtpd_milter_maps", "", ""),
    list("smtpd_milters", "", ""),
};

}  // namespace postern::config
