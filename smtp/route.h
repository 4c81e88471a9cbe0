// From a next hop as it stands in the request ("example.com", "[mx]:587",
// "unix:private/lmtp") to the servers to try, in order.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/lookup.h"
#include "common/loop/task.h"
#include "smtp/settings.h"

namespace postern::smtp {

// One server. `port` is 0 for a socket in the file system, whose path is the
// address.
struct Target {
  std::string host;
  std::string address;
  int port = 0;
  bool best_mx = false;  // of the best preference found
  // What DNSSEC says of the way here; all false where it was not asked for.
  std::string canonical;     // what `host` is an alias of
  bool secure = false;       // the address is signed
  bool by_mx = false;        // found by MX records
  bool mx_secure = false;    // and these are signed
  std::string mx_canonical;  // what the domain with the MX records is called

  bool local_socket() const { return port == 0; }
  std::string name() const { return host + "[" + address + "]"; }
  // The form of relay= in the log.
  std::string name_and_port() const;
  Result<SocketAddress> socket_address(
      const std::string& queue_directory) const;
};

// A next hop, taken apart.
struct NextHop {
  enum class Kind {
    domain,   // by MX records
    host,     // by address records
    literal,  // an address
    socket,   // a path
  };
  Kind kind = Kind::domain;
  std::string name;  // domain, host, address without brackets, or path
  int port = 0;
  std::string service;  // what the port is called, or its number
};

// [host], host, host:port, [1.2.3.4]:port, [ipv6:2001:db8::1]:port; with LMTP
// also unix:path and inet:host:port, and MX records are not asked for.
Result<NextHop> parse_next_hop(std::string_view text, const Settings& settings);

// A number from 0 to below `limit`.
using Dice = std::function<std::size_t(std::size_t limit)>;
std::size_t fair_dice(std::size_t limit);  // getrandom(2)

struct Routes {
  std::vector<Target> targets;
  // We are a mail exchanger of this domain ourselves, though not the best one:
  // hosts of our own preference and beyond were cut, and no fallback relay may
  // take the mail (RFC 5321 5.1).
  bool we_are_mx = false;
  // There are no others: mail comes back to us (best_mx_transport).
  bool nobody_else = false;
};

// Orders what the lookup found: by preference, shuffled within one, the
// preferred protocol first; cut where the list reaches ourselves.
Result<Routes> arrange(std::vector<ipc::HostAddress> found, const NextHop& hop,
                       const Settings& settings, const Dice& dice);

// Lets the protocol that is in the minority into the first `limit` places,
// half of them at most (smtp_balance_inet_protocols).
void balance(std::vector<Target>& targets, std::size_t limit);

// Asks for names and tables; the lookup service, or a test.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual Task<Result<ipc::MailHostsAnswer>> hosts(
      ipc::MailHostsFind question) = 0;
  virtual Task<Result<ipc::TableAnswer>> table(ipc::TableFind question) = 0;
  // Are the tables at hand, and have no answer for the key?
  virtual bool has_no(const std::string& maps, const std::string& key) const {
    static_cast<void>(maps);
    static_cast<void>(key);
    return false;
  }
  // Is the domain one of ours, whose users tables may name without it?
  virtual Task<Result<bool>> is_local(std::string) { co_return false; }
  // Completes an address that stands in a table.
  virtual std::string complete(const std::string& address) const {
    return address;
  }
  virtual Task<Result<ipc::DnsAnswer>> records(ipc::DnsFind question) = 0;
  virtual Task<Result<std::string>> file(ipc::FileFind question) = 0;
};

// All of it. Borrows what it is given until the task is done. `notice` gets a
// line for the log where the operator of the domain has made a mistake.
Task<Result<Routes>> find_routes(NextHop hop, const Settings& settings,
                                 Resolver& resolver, std::string& notice);

}  // namespace postern::smtp
