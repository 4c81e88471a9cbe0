// Parameters of processes: users, limits, logging, service names, tables.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row process_rows[] = {
    boolean("allow_degraded_isolation", "no",
            "Let processes run, with a warning, where the kernel or a "
            "container refuses to confine them as docs/processes.md says."),
    duration("application_event_drain_time", "100s",
             "How long a stopping process may take to finish.", 1),
    integer("auth_account_failure_limit", "40",
            "Failed log-ins as one user, from wherever, after which more are "
            "refused for auth_lock_time; 0: no limit. Networks from which the "
            "user has logged in are not kept out."),
    integer("auth_address_failure_limit", "20",
            "Failed log-ins from one address, after which it is refused for "
            "auth_lock_time; 0: no limit."),
    duration("auth_failure_delay", "1s",
             "How long a failed log-in takes; doubled with each failure, to "
             "15 seconds.", 0, 15),
    integer("auth_hash_memory", "65536",
            "Memory in KiB that each check of a password takes (Argon2id).",
            8, 4194304),
    integer("auth_hash_passes", "2",
            "How often that memory is gone through.", 1, 1000),
    integer("auth_hash_threads", "2",
            "Checks of passwords that run at a time; others wait.", 1, 64),
    duration("auth_lock_time", "10m",
             "How long who has failed too often is refused, and after which "
             "quiet time failures are forgotten.", 1),
    list("auth_mechanisms",
         "scram-sha-256-plus, scram-sha-256, scram-sha-1-plus, scram-sha-1, "
         "cram-md5, plain, login, external",
         "SASL mechanisms of the user store, as far as it has keys for them."),
    integer("auth_network_failure_limit", "100",
            "Failed log-ins from one network (/24, /64), after which it is "
            "refused for auth_lock_time; 0: no limit."),
    text("auth_owner", "postern-auth",
         "User of the process that holds keys and passwords."),
    integer("auth_queue_limit", "200",
            "Checks of passwords that may wait; more log-ins fail for now.",
            1, 100000),
    integer("auth_request_limit", "1000",
            "Log-ins under way at a time; more fail for now.", 1, 100000),
    path("auth_saslauthd_path", "",
         "Socket of a saslauthd, or the directory that has it as mux, that is "
         "asked about users who are not in the user store."),
    duration("auth_time_limit", "2m",
             "How long a client may take for an answer, and a check to be "
             "done, when it logs in.", 1),
    list("authorized_flush_users", "static:anyone",
         "Users who may run the queue."),
    list("authorized_mailq_users", "static:anyone",
         "Users who may list the queue."),
    list("authorized_submit_users", "static:anyone",
         "Users who may submit mail with sendmail."),
    integer("berkeley_db_create_buffer_size", "16777216",
            "Memory for making Berkeley DB tables."),
    integer("berkeley_db_read_buffer_size", "131072",
            "Memory for reading Berkeley DB tables."),
    text("cleanup_service_name", "cleanup",
         "Service that takes new messages in."),
    boolean("daemon_table_open_error_is_fatal", "no",
            "Whether a table that cannot be opened ends the process."),
    duration("daemon_timeout", "18000s",
             "How long a process may work on one request.", 1),
    integer("debug_peer_level", "2",
            "How much more is logged for hosts of debug_peer_list.", 1),
    list("debug_peer_list", "", "Hosts whose sessions are logged in detail."),
    text("debugger_command", "",
         "Command that is run for services with the flag -D."),
    text("default_database_type", "hash", "Type of tables when none is named."),
    text("default_privs", "nobody",
         "User for deliveries to commands and files of no one's."),
    integer("default_process_limit", "100",
            "Processes of a service whose row does not say.", 1),
    text("defer_service_name", "defer",
         "Service that records why mail is delayed."),
    integer("deliver_lock_attempts", "20", "Tries to lock a mailbox.", 1),
    duration("deliver_lock_delay", "1s",
             "Pause between tries to lock a mailbox.", 1),
    text("delivery_owner", "postern-deliver",
         "User of the process that delivers locally."),
    text("error_service_name", "error", "Service that fails all its mail."),
    list("export_environment", "TZ MAIL_CONFIG LANG",
         "Environment that commands get."),
    text("flush_service_name", "flush",
         "Service that keeps lists of delayed mail."),
    integer("fork_attempts", "5", "Tries to start a process.", 1),
    duration("fork_delay", "1s", "Pause between those tries.", 1),
    list("import_environment",
         "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C "
         "POSTLOG_SERVICE POSTLOG_HOSTNAME",
         "Environment that processes keep."),
    duration("ipc_idle", "5s",
             "How long an unused link to a service stays open.", 1),
    duration("ipc_timeout", "3600s",
             "Limit of an exchange between processes.", 1),
    duration("ipc_ttl", "1000s",
             "How long a link between processes is used.", 1),
    integer("lmdb_map_size", "16777216", "Initial size of an LMDB table.", 1),
    list("local_login_sender_maps", "static:*",
         "Sender addresses that each login name may use with sendmail."),
    text("lookup_owner", "postern-lookup",
         "User of the process that asks tables and DNS."),
    text("mail_owner", "postern", "User who owns the queue."),
    path("maillog_file", "", "File for the mail log instead of syslog."),
    text("maillog_file_compressor", "gzip",
         "Program that compresses a rotated log."),
    text("maillog_file_prefixes", "/var, /dev/stdout",
         "Where maillog_file may be."),
    text("maillog_file_rotate_suffix", "%Y%m%d-%H%M%S",
         "Time format that a rotated log's name ends with."),
    list("master_service_disable", "", "Services that are not started."),
    duration("max_idle", "100s",
             "How long an unused process waits before it goes.", 1),
    integer("max_use", "100", "Requests after which a process is replaced.", 1),
    list("multi_instance_directories", "",
         "Configuration directories of further instances."),
    boolean("multi_instance_enable", "no",
            "Whether this instance is started with the others."),
    text("multi_instance_group", "", "Group that this instance belongs to."),
    text("multi_instance_name", "", "Name of this instance."),
    text("multi_instance_wrapper", "",
         "Command that manages several instances."),
    text("network_owner", "postern-net",
         "User of processes that speak with the network."),
    text("pickup_service_name", "pickup",
         "Service that takes mail of sendmail in."),
    text("postlog_service_name", "postlog",
         "Service that writes maillog_file."),
    duration("postlogd_watchdog_timeout", "10s",
             "Limit of one request to postlogd."),
    text("postmulti_control_commands", "reload flush",
         "Commands of postmulti that reach running instances."),
    text("postmulti_start_commands", "start",
         "Commands of postmulti that start instances."),
    text("postmulti_stop_commands", "stop abort drain quick-stop",
         "Commands of postmulti that stop instances."),
    text("process_id", "", "Number of this process."),
    text("process_name", "", "Name of this program."),
    list("proxy_read_maps",
         "$local_recipient_maps $mydestination $virtual_alias_maps "
         "$virtual_alias_domains $virtual_mailbox_maps "
         "$virtual_mailbox_domains $relay_recipient_maps $relay_domains "
         "$canonical_maps $sender_canonical_maps $recipient_canonical_maps "
         "$relocated_maps $transport_maps $mynetworks "
         "$smtpd_sender_login_maps $sender_bcc_maps $recipient_bcc_maps "
         "$smtp_generic_maps $lmtp_generic_maps $alias_maps "
         "$smtpd_client_restrictions $smtpd_helo_restrictions "
         "$smtpd_sender_restrictions $smtpd_relay_restrictions "
         "$smtpd_recipient_restrictions "
         "$address_verify_sender_dependent_default_transport_maps "
         "$address_verify_sender_dependent_relayhost_maps "
         "$address_verify_transport_maps $fallback_transport_maps "
         "$lmtp_discard_lhlo_keyword_address_maps $lmtp_pix_workaround_maps "
         "$lmtp_sasl_password_maps $lmtp_tls_policy_maps "
         "$mailbox_command_maps $mailbox_transport_maps "
         "$postscreen_discard_ehlo_keyword_address_maps $rbl_reply_maps "
         "$sender_dependent_default_transport_maps "
         "$sender_dependent_relayhost_maps "
         "$smtp_discard_ehlo_keyword_address_maps $smtp_pix_workaround_maps "
         "$smtp_sasl_password_maps $smtp_tls_policy_maps "
         "$smtpd_discard_ehlo_keyword_address_maps $smtpd_milter_maps "
         "$virtual_gid_maps $virtual_uid_maps $local_login_sender_maps "
         "$postscreen_reject_footer_maps $smtpd_reject_footer_maps "
         "$tls_server_sni_maps $tlsproxy_client_policy_maps "
         "$default_delivery_status_filter $lmtp_delivery_status_filter "
         "$lmtp_dns_reply_filter $lmtp_reply_filter "
         "$local_delivery_status_filter $pipe_delivery_status_filter "
         "$postscreen_command_filter $smtp_delivery_status_filter "
         "$smtp_dns_reply_filter $smtp_reply_filter $smtpd_command_filter "
         "$smtpd_dns_reply_filter $virtual_delivery_status_filter "
         "$body_checks $header_checks $lmtp_body_checks $lmtp_header_checks "
         "$lmtp_mime_header_checks $lmtp_nested_header_checks "
         "$milter_header_checks $mime_header_checks $nested_header_checks "
         "$smtp_body_checks $smtp_header_checks $smtp_mime_header_checks "
         "$smtp_nested_header_checks",
         "Tables that may be read with proxy:."),
    list("proxy_write_maps",
         "$smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name "
         "$address_verify_map $postscreen_cache_map",
         "Tables that may be changed with proxy:."),
    text("proxymap_service_name", "proxymap", "Service that reads tables."),
    text("proxywrite_service_name", "proxywrite",
         "Service that changes tables."),
    text("queue_service_name", "qmgr", "Service that is the queue manager."),
    text("rewrite_service_name", "rewrite",
         "Service that rewrites and resolves addresses."),
    text("sendmail_fix_line_endings", "always",
         "When sendmail turns CRLF into line ends: always, strict, never."),
    text("service_name", "", "Name of the service that a process belongs to."),
    duration("service_throttle_time", "60s",
             "Pause before a failing service is started again.", 1),
    text("setgid_group", "postdrop", "Group of postdrop and postqueue."),
    text("showq_service_name", "showq", "Service that lists the queue."),
    duration("stale_lock_time", "500s",
             "Age from which a lock file is ignored.", 1),
    text("syslog_facility", "mail", "Facility of log lines."),
    text("syslog_name",
         "${multi_instance_name?{$multi_instance_name}:{postern}}",
         "First part of the tag of log lines."),
    text("trace_service_name", "trace",
         "Service that makes reports of deliveries."),
    duration("trigger_timeout", "10s", "Limit of waking a service.", 1),
};

}  // namespace postern::config
