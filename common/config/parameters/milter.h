// Parameters of mail filters that speak the milter protocol.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row milter_rows[] = {
    list("internal_mail_filter_classes", "",
         "Own mail that filters see too: bounce, notify."),
    duration("milter_command_timeout", "30s",
             "Limit of a filter's answer to a command.", 1),
    list("milter_connect_macros", "j {daemon_name} {daemon_addr} v _",
         "Macros that filters get with the connection."),
    duration("milter_connect_timeout", "30s",
             "Limit of connecting to a filter.", 1),
    duration("milter_content_timeout", "300s",
             "Limit of a filter's answer to content.", 1),
    list("milter_data_macros", "i", "Macros that filters get with DATA."),
    text("milter_default_action", "tempfail",
         "What happens when a filter fails: accept, reject, tempfail, "
         "quarantine."),
    list("milter_end_of_data_macros", "i",
         "Macros that filters get at the end of the message."),
    list("milter_end_of_header_macros", "i",
         "Macros that filters get at the end of the header."),
    list("milter_header_checks", "",
         "Tables of patterns for headers that filters add."),
    list("milter_helo_macros",
         "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
         "Macros that filters get with HELO."),
    text("milter_macro_daemon_name", "$myhostname",
         "Value of the macro {daemon_name}."),
    text("milter_macro_defaults", "",
         "Values of macros that are not known otherwise."),
    text("milter_macro_v", "$mail_name $mail_version", "Value of the macro v."),
    list("milter_mail_macros",
         "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} "
         "{mail_mailer}",
         "Macros that filters get with MAIL FROM."),
    text("milter_protocol", "6",
         "Version and extensions of the filter protocol."),
    list("milter_rcpt_macros", "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
         "Macros that filters get with RCPT TO."),
    list("milter_unknown_command_macros", "",
         "Macros that filters get with unknown commands."),
    list("non_smtpd_milters", "",
         "Filters for mail that did not come by SMTP."),
    list("smtpd_milter_maps", "", "Tables of filters by client."),
    list("smtpd_milters", "", "Filters for mail that comes by SMTP."),
};

}  // namespace postern::config
