// Parameters of this host and its network: names, addresses, DNS.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row network_rows[] = {
    boolean("allow_srv_lookup_fallback", "no",
            "Whether MX or address records are used when there is no SRV "
            "record."),
    boolean("disable_dns_lookups", "no",
            "Whether hosts are looked up without DNS."),
    boolean("dns_ncache_ttl_fix_enable", "no",
            "Whether the lifetime of negative answers is taken from the SOA."),
    list("dns_servers", "",
         "Name servers, as address or [address]:port; empty for those of "
         "resolv.conf."),
    path("dns_trust_anchor_file", "",
         "File of DS or DNSKEY records where DNSSEC validation begins; empty "
         "for the root's."),
    text("dnssec_probe", "ns:.", "Query that finds out whether DNSSEC works."),
    boolean("ignore_mx_lookup_error", "no",
            "Whether failing MX lookups fall back to addresses."),
    boolean("ignore_srv_lookup_error", "no",
            "Whether they are used when the SRV lookup fails."),
    list("inet_interfaces", "all", "Addresses on which mail is taken."),
    list("inet_protocols", "all",
         "Internet protocols in use: all, ipv4, ipv6."),
    list("known_tcp_ports",
         "lmtp=24, smtp=25, smtps=submissions=465, submission=587",
         "Names of ports, before the system's list is asked."),
    text("mydomain", "localdomain", "Domain of this host."),
    text("myhostname", "", "Internet name of this host."),
    list("mynetworks", "", "Networks whose clients are trusted."),
    text("mynetworks_style",
         "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
         "How mynetworks is found: host, subnet, class."),
    list("proxy_interfaces", "",
         "Further addresses under which this host is reached."),
    integer("tcp_windowsize", "0",
            "Size of TCP windows; 0 leaves it to the system."),
    list("use_srv_lookup", "", "Services for which SRV records are used."),
};

}  // namespace postern::config
