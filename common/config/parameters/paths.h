// Parameters that name files and directories of the installation.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row paths_rows[] = {
    list("alternate_config_directories", "", ""),
    path("command_directory", "/usr/sbin", ""),
    path("config_directory", "/etc/postern", ""),
    path("daemon_directory", "/usr/lib/postern/sbin", ""),
    path("data_directory", "/var/lib/postern", ""),
    path("html_directory", "no", ""),
    path("mailq_path", "/usr/bin/mailq", ""),
    path("manpage_directory", "/usr/share/man", ""),
    path("meta_directory", "/etc/postern", ""),
    path("newaliases_path", "/usr/bin/newaliases", ""),
    path("openssl_path", "openssl", ""),
    path("process_id_directory", "pid", ""),
    path("queue_directory", "/var/spool/postern", ""),
    path("readme_directory", "/usr/share/doc/postern", ""),
    path("sample_directory", "/etc/postern", ""),
    path("sendmail_path", "/usr/sbin/sendmail", ""),
    path("shlib_directory", "no", ""),
};

}  // namespace postern::config
