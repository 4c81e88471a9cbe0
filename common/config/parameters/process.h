// Parameters of processes: users, limits, logging, service names, tables.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row process_rows[] = {
    boolean("allow_degraded_isolation", "no",
            "Let processes run, with a warning, where the kernel or a "
            "container refuses to confine them as docs/processes.md says."),
    duration("application_event_drain_time", "100s", "", 1),
    text("auth_owner", "postern-auth", ""),
    list("authorized_flush_users", "static:anyone", ""),
    list("authorized_mailq_users", "static:anyone", ""),
    list("authorized_submit_users", "static:anyone", ""),
    integer("berkeley_db_create_buffer_size", "16777216", ""),
    integer("berkeley_db_read_buffer_size", "131072", ""),
    text("cleanup_service_name", "cleanup", ""),
    boolean("daemon_table_open_error_is_fatal", "no", ""),
    duration("daemon_timeout", "18000s", "", 1),
    integer("debug_peer_level", "2", "", 1),
    list("debug_peer_list", "", ""),
    text("debugger_command", "", ""),
    text("default_database_type", "hash", ""),
    text("default_privs", "nobody", ""),
    integer("default_process_limit", "100", "", 1),
    text("defer_service_name", "defer", ""),
    integer("deliver_lock_attempts", "20", "", 1),
    duration("deliver_lock_delay", "1s", "", 1),
    text("delivery_owner", "postern-deliver", ""),
    text("error_service_name", "error", ""),
    list("export_environment", "TZ MAIL_CONFIG LANG", ""),
    text("flush_service_name", "flush", ""),
    integer("fork_attempts", "5", "", 1),
    duration("fork_delay", "1s", "", 1),
    list("import_environment",
         "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C "
         "POSTLOG_SERVICE POSTLOG_HOSTNAME",
         ""),
    duration("ipc_idle", "5s", "", 1),
    duration("ipc_timeout", "3600s", "", 1),
    duration("ipc_ttl", "1000s", "", 1),
    integer("lmdb_map_size", "16777216", "", 1),
    list("local_login_sender_maps", "static:*", ""),
    text("lookup_owner", "postern-lookup", ""),
    text("mail_owner", "postern", ""),
    path("maillog_file", "", ""),
    text("maillog_file_compressor", "gzip", ""),
    text("maillog_file_prefixes", "/var, /dev/stdout", ""),
    text("maillog_file_rotate_suffix", "%Y%m%d-%H%M%S", ""),
    list("master_service_disable", "", ""),
    duration("max_idle", "100s", "", 1),
    integer("max_use", "100", "", 1),
    list("multi_instance_directories", "", ""),
    boolean("multi_instance_enable", "no", ""),
    text("multi_instance_group", "", ""),
    text("multi_instance_name", "", ""),
    text("multi_instance_wrapper", "", ""),
    text("network_owner", "postern-net", ""),
    text("pickup_service_name", "pickup", ""),
    text("postlog_service_name", "postlog", ""),
    duration("postlogd_watchdog_timeout", "10s", ""),
    text("postmulti_control_commands", "reload flush", ""),
    text("postmulti_start_commands", "start", ""),
    text("postmulti_stop_commands", "stop abort drain quick-stop", ""),
    text("process_id", "", ""),
    text("process_name", "", ""),
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
         ""),
    list("proxy_write_maps",
         "$smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name "
         "$address_verify_map $postscreen_cache_map",
         ""),
    text("proxymap_service_name", "proxymap", ""),
    text("proxywrite_service_name", "proxywrite", ""),
    text("queue_service_name", "qmgr", ""),
    text("rewrite_service_name", "rewrite", ""),
    text("sendmail_fix_line_endings", "always", ""),
    text("service_name", "", ""),
    duration("service_throttle_time", "60s", "", 1),
    text("setgid_group", "postdrop", ""),
    text("showq_service_name", "showq", ""),
    duration("stale_lock_time", "500s", "", 1),
    text("syslog_facility", "mail", ""),
    text("syslog_name",
         "${multi_instance_name?{$multi_instance_name}:{postern}}",
         ""),
    text("trace_service_name", "trace", ""),
    duration("trigger_timeout", "10s", "", 1),
};

}  // namespace postern::config
