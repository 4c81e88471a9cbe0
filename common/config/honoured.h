// Which parameters do what they say. One that is in neither list is honoured.
// The check of a configuration names those of the first list that are set;
// those of the second have nothing to act on here, and are accepted silently.
#pragma once

#include <string_view>

namespace postern::config {

enum class Honoured { yes, not_yet, no_effect_needed };

inline constexpr std::string_view not_yet_honoured[] = {
    "biff",
    "command_execution_directory",
    "command_expansion_filter",
    "command_time_limit",
    "execution_directory_expansion_filter",
    "fallback_transport",
    "fallback_transport_maps",
    "fault_injection_code",
    "forward_expansion_filter",
    "forward_path",
    "local_command_shell",
    "local_delivery_status_filter",
    "mailbox_command",
    "mailbox_command_maps",
    "mailbox_transport",
    "mailbox_transport_maps",
    "virtual_delivery_status_filter",
};

inline constexpr std::string_view no_effect_needed[] = {
    "berkeley_db_create_buffer_size",
    "berkeley_db_read_buffer_size",
    "dont_remove",
    "html_directory",
    "manpage_directory",
    "readme_directory",
    "sample_directory",
    "shlib_directory",
    "sun_mailtool_compatibility",
    "tls_daemon_random_bytes",
    "tls_random_bytes",
    "tls_random_exchange_name",
    "tls_random_prng_update_period",
    "tls_random_reseed_period",
    "tls_random_source",
};

Honoured honoured(std::string_view name);

}  // namespace postern::config
