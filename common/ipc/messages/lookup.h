// Questions to lookup: tables, users, names. `repeatable`: the question may be
// asked again when its link broke before the answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"

namespace postern::ipc {

struct TableAnswer {
  bool found = false;
  std::int64_t key = 0;  // which of the keys
  std::string value;
  std::string table;     // "hash:/etc/postern/virtual": where it was found
  TroubleWire trouble;   // the table could not answer: never "not found"
  static constexpr auto wire() {
    return message("table.answer", field("found", &TableAnswer::found),
                   field("key", &TableAnswer::key),
                   field("value", &TableAnswer::value),
                   field("table", &TableAnswer::table),
                   field("trouble", &TableAnswer::trouble));
  }
};

// The first answer for any of the keys, in order; for each key all `maps`
// (a list as in main.conf, expanded) are asked in order.
struct TableFind {
  using Answer = TableAnswer;
  static constexpr bool repeatable = true;
  std::string maps;
  std::vector<std::string> keys;
  // Keys from here on are parts of an address: tables of patterns (regexp,
  // pcre, cidr, …) are not asked for them.
  std::int64_t partial_from = 1;
  static constexpr auto wire() {
    return message("table.find", field("maps", &TableFind::maps),
                   field("keys", &TableFind::keys),
                   field("partial_from", &TableFind::partial_from));
  }
};

struct UserAnswer {
  bool found = false;
  std::string name;
  std::int64_t uid = -1;
  std::int64_t gid = -1;
  std::string full_name;
  std::string home;
  std::string shell;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("user.answer", field("found", &UserAnswer::found),
                   field("name", &UserAnswer::name),
                   field("uid", &UserAnswer::uid),
                   field("gid", &UserAnswer::gid),
                   field("full_name", &UserAnswer::full_name),
                   field("home", &UserAnswer::home),
                   field("shell", &UserAnswer::shell),
                   field("trouble", &UserAnswer::trouble));
  }
};
struct UserFind {
  using Answer = UserAnswer;
  static constexpr bool repeatable = true;
  std::string name;
  std::int64_t id = -1;  // by user id where there is no name
  static constexpr auto wire() {
    return message("user.find", field("name", &UserFind::name),
                   field("id", &UserFind::id));
  }
};

// One address of a host.
struct HostAddress {
  std::string host;     // the name it belongs to
  std::string address;  // numeric
  std::int64_t preference = 0;  // of the MX record
  std::string canonical;        // what `host` is an alias of, or `host`
  bool secure = false;          // the address was validated by DNSSEC here
  static constexpr auto wire() {
    return message("host.address", field("host", &HostAddress::host),
                   field("address", &HostAddress::address),
                   field("preference", &HostAddress::preference),
                   field("canonical", &HostAddress::canonical),
                   field("secure", &HostAddress::secure));
  }
};

// Where mail for a domain goes (RFC 5321 5.1): MX hosts in order of
// preference with their addresses, shuffled within a preference by the asker.
struct MailHostsAnswer {
  std::vector<HostAddress> addresses;
  bool used_mx = false;    // false: the name itself was used (implicit MX)
  bool null_mx = false;    // RFC 7505
  // With used_mx: what the domain is an alias of, or the domain; and whether
  // the MX records were validated by DNSSEC here.
  std::string canonical;
  bool secure = false;
  // With used_mx: no MX host has an address. Otherwise the domain is at fault.
  TroubleWire trouble;     // "Host or domain name not found. Name service error
                           // for name=… type=MX: Host not found"
  static constexpr auto wire() {
    return message("hosts.answer",
                   field("addresses", &MailHostsAnswer::addresses),
                   field("used_mx", &MailHostsAnswer::used_mx),
                   field("null_mx", &MailHostsAnswer::null_mx),
                   field("canonical", &MailHostsAnswer::canonical),
                   field("secure", &MailHostsAnswer::secure),
                   field("trouble", &MailHostsAnswer::trouble));
  }
};
struct MailHostsFind {
  using Answer = MailHostsAnswer;
  static constexpr bool repeatable = true;
  std::string domain;
  bool use_mx = true;      // false: addresses of this host only
  bool native = false;     // also ask the system's hosts file (smtp_host_lookup)
  bool dns = true;         // false: disable_dns_lookups
  bool dnssec = false;     // validate (smtp_dns_support_level = dnssec)
  static constexpr auto wire() {
    return message("hosts.find", field("domain", &MailHostsFind::domain),
                   field("use_mx", &MailHostsFind::use_mx),
                   field("native", &MailHostsFind::native),
                   field("dns", &MailHostsFind::dns),
                   field("dnssec", &MailHostsFind::dnssec));
  }
};

// The client's verified name (smtpd): PTR, then the name's addresses must
// contain the client's. "unknown" otherwise.
struct ClientNameAnswer {
  std::string name;          // verified, or "unknown"
  std::string reverse_name;  // PTR alone, or "unknown"
  // 2 ok, 4 temporary, 5 permanent failure, 6 the name has other addresses.
  std::int64_t name_code = 0;
  std::int64_t reverse_code = 0;
  std::string warning;       // "hostname … does not resolve to …", for the log
  static constexpr auto wire() {
    return message("client_name.answer",
                   field("name", &ClientNameAnswer::name),
                   field("reverse_name", &ClientNameAnswer::reverse_name),
                   field("name_code", &ClientNameAnswer::name_code),
                   field("reverse_code", &ClientNameAnswer::reverse_code),
                   field("warning", &ClientNameAnswer::warning));
  }
};
struct ClientNameFind {
  using Answer = ClientNameAnswer;
  static constexpr bool repeatable = true;
  std::string address;
  static constexpr auto wire() {
    return message("client_name.find",
                   field("address", &ClientNameFind::address));
  }
};

// A plain DNS question.
struct DnsAnswer {
  std::string status;  // "ok", "nxdomain", "nodata", "servfail", "timeout"
  bool secure = false; // validated by DNSSEC here
  // Presentation form, "10 mx.example.org."; TXT: the joined text, unquoted.
  std::vector<std::string> records;
  std::string text;    // why not
  static constexpr auto wire() {
    return message("dns.answer", field("status", &DnsAnswer::status),
                   field("secure", &DnsAnswer::secure),
                   field("records", &DnsAnswer::records),
                   field("text", &DnsAnswer::text));
  }
};
struct DnsFind {
  using Answer = DnsAnswer;
  static constexpr bool repeatable = true;
  std::string name;
  std::string type;  // A, AAAA, MX, NS, TXT, PTR, CNAME, SOA, TLSA
  bool dnssec = false;  // validate
  static constexpr auto wire() {
    return message("dns.find", field("name", &DnsFind::name),
                   field("type", &DnsFind::type),
                   field("dnssec", &DnsFind::dnssec));
  }
};

// Certificates of a file that a table names (tafile of smtp_tls_policy_maps),
// or the first line of one that another program writes (an OAuth token).
struct FileAnswer {
  std::string content;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("file.answer", field("content", &FileAnswer::content),
                   field("trouble", &FileAnswer::trouble));
  }
};
struct FileFind {
  using Answer = FileAnswer;
  static constexpr bool repeatable = true;
  std::string path;
  // "certificates": the PEM blocks of certificates and public keys, and
  // nothing else of the file. "line": its first line, where a table has named
  // the file to this client (user:</path in smtp_sasl_password_maps).
  std::string what;
  static constexpr auto wire() {
    return message("file.find", field("path", &FileFind::path),
                   field("what", &FileFind::what));
  }
};

// Counters over all processes (anvil): how many connections a client has and
// what it did in the current anvil_rate_time_unit.
struct AnvilAnswer {
  std::int64_t count = 0;  // simultaneous connections, after the event
  std::int64_t rate = 0;   // events of the kind in the time unit
  static constexpr auto wire() {
    return message("anvil.answer", field("count", &AnvilAnswer::count),
                   field("rate", &AnvilAnswer::rate));
  }
};
struct AnvilNote {
  using Answer = AnvilAnswer;
  // connect, disconnect, mail, rcpt, newtls, auth; newtls_report asks for the
  // rate of newtls without counting. A link that closes disconnects its clients.
  std::string event;
  std::string client;  // "smtp:192.0.2.1": service and address
  static constexpr auto wire() {
    return message("anvil.note", field("event", &AnvilNote::event),
                   field("client", &AnvilNote::client));
  }
};

}  // namespace postern::ipc
