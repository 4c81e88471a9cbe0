// Parameters of this host and its network: names, addresses, DNS.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row network_rows[] = {
    boolean("allow_srv_lookup_fallback", "no", ""),
    boolean("disable_dns_lookups", "no", ""),
    boolean("dns_ncache_ttl_fix_enable", "no", ""),
    list("dns_servers", "", ""),
    text("dnssec_probe", "ns:.", ""),
    boolean("ignore_mx_lookup_error", "no", ""),
    boolean("ignore_srv_lookup_error", "no", ""),
    list("inet_interfaces", "all", ""),
    list("inet_protocols", "all", ""),
    list("known_tcp_ports",
         "lmtp=24, smtp=25, smtps=submissions=465, submission=587",
         ""),
    text("mydomain", "localdomain", ""),
    text("myhostname", "", ""),
    list("mynetworks", "", ""),
    text("mynetworks_style",
         "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
         ""),
    list("proxy_interfaces", "", ""),
    integer("tcp_windowsize", "0", ""),
    list("use_srv_lookup", "", ""),
};

}  // namespace postern::config
