// Parameters of delivery to mailboxes, files and commands.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row local_rows[] = {
    list("alias_database", "hash:/etc/aliases", ""),
    list("alias_maps", "hash:/etc/aliases, nis:mail.aliases", ""),
    text("allow_mail_to_commands", "alias, forward", ""),
    list("allow_mail_to_files", "alias, forward", ""),
    boolean("biff", "yes", ""),
    raw("command_execution_directory", "", ""),
    text("command_expansion_filter",
         "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
         ""),
    duration("command_time_limit", "1000s", "", 1),
    text("execution_directory_expansion_filter",
         "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
         ""),
    boolean("expand_owner_alias", "no", ""),
    text("fallback_transport", "", ""),
    list("fallback_transport_maps", "", ""),
    text("forward_expansion_filter",
         "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
         ""),
    raw("forward_path",
        "$home/.forward${recipient_delimiter}${extension}, $home/.forward",
        ""),
    boolean("frozen_delivered_to", "yes", ""),
    text("home_mailbox", "", ""),
    text("local_command_shell", "", ""),
    text("local_delivery_status_filter", "$default_delivery_status_filter", ""),
    integer("local_destination_concurrency_limit", "2", ""),
    integer("local_destination_recipient_limit", "1", ""),
    raw("luser_relay", "", ""),
    path("mail_spool_directory", "/var/mail", ""),
    raw("mailbox_command", "", ""),
    list("mailbox_command_maps", "", ""),
    list("mailbox_delivery_lock", "fcntl, dotlock", ""),
    integer("mailbox_size_limit", "51200000", ""),
    text("mailbox_transport", "", ""),
    list("mailbox_transport_maps", "", ""),
    boolean("owner_request_special", "yes", ""),
    text("pipe_delivery_status_filter", "$default_delivery_status_filter", ""),
    text("prepend_delivered_header", "command, file, forward", ""),
    boolean("require_home_directory", "no", ""),
    boolean("reset_owner_alias", "no", ""),
    text("virtual_delivery_status_filter", "$default_delivery_status_filter",
         ""),
    list("virtual_gid_maps", "", ""),
    text("virtual_mailbox_base", "", ""),
    integer("virtual_mailbox_limit", "51200000", ""),
    list("virtual_mailbox_lock", "fcntl, dotlock", ""),
    list("virtual_mailbox_maps", "", ""),
    integer("virtual_minimum_uid", "100", "", 1),
    list("virtual_uid_maps", "", ""),
};

}  // namespace postern::config
