// Names and addresses of hosts: mail exchangers (RFC 5321 section 5.1), names
// of clients, plain DNS questions. From the system's hosts file where the
// question allows it, and the name servers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/dns/resolver.h"
#include "common/dns/system_files.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/screen.h"
#include "common/loop/task.h"

namespace postern::lookup {

class Names {
 public:
  struct Options {
    dns::Families families = dns::Families::both;  // inet_protocols
    Millis limit = Seconds(10);  // of one question to the name servers
    std::string hosts_file = "/etc/hosts";
  };
  // `resolver` must outlive this.
  Names(dns::Resolver& resolver, Options options);

  Task<ipc::MailHostsAnswer> mail_hosts(ipc::MailHostsFind question);
  Task<ipc::ClientNameAnswer> client_name(std::string address);
  Task<ipc::DnsAnswer> records(ipc::DnsFind question);
  Task<ipc::DnsListAnswer> list(ipc::DnsListFind question);

 private:
  // Addresses of one host, or why there are none.
  struct Addresses {
    std::vector<std::string> list;
    dns::Outcome outcome = dns::Outcome::ok;
    std::optional<Trouble> trouble;
    // Of what came from name servers, by place in the list; shorter where the
    // rest came from elsewhere.
    std::vector<bool> secure;
    std::string canonical;  // "": the name itself
  };
  // Which sources a question allows.
  struct Sources {
    bool native = false;
    bool dns = true;
    dns::Proof proof = dns::Proof::none;
  };
  struct Gathering;

  Task<Addresses> from_dns(std::string host, dns::Families families,
                           dns::Proof proof);
  Task<Addresses> from_system(std::string host, dns::Families families,
                              bool asked_dns);
  Task<Addresses> addresses_of(std::string host, Sources sources);
  static void add_addresses(Addresses& found, const std::string& host,
                            std::int64_t preference,
                            ipc::MailHostsAnswer& answer);
  Task<void> gather_one(Gathering* gathering, std::size_t index, Sources from);
  Task<ipc::MailHostsAnswer> mail_exchangers(std::string domain,
                                             std::vector<dns::Record> records,
                                             Sources sources);
  Task<ipc::MailHostsAnswer> host_itself(std::string domain, Sources sources);

  dns::Resolver& resolver_;
  Options options_;
  dns::HostsFile hosts_;
};

// The MX records worth asking for, best first: root names and what is no host
// name are left out, and what is beyond the fiftieth. `faults` receives lines
// for the log.
std::vector<dns::Record> usable_exchangers(std::string_view domain,
                                           std::vector<dns::Record> records,
                                           std::vector<std::string>& faults);

// One MX record that names the root (RFC 7505).
bool is_null_mx(const std::vector<dns::Record>& records);

}  // namespace postern::lookup
