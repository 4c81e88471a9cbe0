// Parameters that name files and directories of the installation.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row paths_rows[] = {
    list("alternate_config_directories", "",
         "Other configuration directories that set-gid tools may use."),
    path("command_directory", "/usr/sbin",
         "Where the administrator's commands are."),
    path("config_directory", "/etc/postern",
         "Where main.conf and master.conf are."),
    path("daemon_directory", "/usr/lib/postern/sbin",
         "Where the programs of services are."),
    path("data_directory", "/var/lib/postern",
         "Directory of caches and other files that can be made again."),
    path("html_directory", "no", "Where manuals in HTML are."),
    path("mailq_path", "/usr/bin/mailq", "Where the mailq command is."),
    path("manpage_directory", "/usr/share/man", "Where the manuals are."),
    path("meta_directory", "/etc/postern",
         "Where files that describe the installation are."),
    path("newaliases_path", "/usr/bin/newaliases",
         "Where the newaliases command is."),
    path("openssl_path", "openssl", "The openssl command."),
    path("process_id_directory", "pid",
         "Where files with process numbers are, below the queue."),
    path("queue_directory", "/var/spool/postern", "Where the queue is."),
    path("readme_directory", "/usr/share/doc/postern",
         "Where the documents are."),
    path("sample_directory", "/etc/postern", "Where sample files are."),
    path("sendmail_path", "/usr/sbin/sendmail",
         "Where the sendmail command is."),
    path("shlib_directory", "no", "Where shared libraries are."),
};

}  // namespace postern::config
