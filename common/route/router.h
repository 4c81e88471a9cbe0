// Address rewriting and resolving: what trivial-rewrite(8) is in Postfix.
//
// rewrite() is pure. resolve() and recipient_known() may ask lookup for tables
// and are coroutines. Read postconf(5) on myorigin, mydestination,
// relay_domains, virtual_alias_domains, virtual_mailbox_domains, relayhost,
// transport_maps, and ADDRESS_CLASS_README for the classes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/loop/task.h"

namespace postern {

namespace config {
class Config;
}

namespace route {

class LookupClient;

// Which domain completes an address without one: "local" for our own users,
// "remote" (remote_header_rewrite_domain) for header addresses of strangers.
enum class Context { local, remote };

enum class AddressClass {
  local,            // mydestination, or [our.own.address]
  virtual_alias,    // virtual_alias_domains
  virtual_mailbox,  // virtual_mailbox_domains
  relay,            // relay_domains
  other,            // all else: default_transport
};

struct Resolved {
  std::string transport;  // a row of master.conf, or "error"
  std::string nexthop;    // without brackets only where the table said so
  std::string recipient;  // internal form, as the transport wants it
  AddressClass address_class = AddressClass::other;
  // The address had sender-specified routing (user@elsewhere@here, %, !).
  bool routed = false;
  // No mailbox can have this address ("user@[]", "user@127.0.0.1"): transport
  // error, next hop "5.1.3 …".
  bool bad_syntax = false;
};

class Router {
 public:
  // Both must outlive the router. Reads its settings now.
  Router(const config::Config& config, LookupClient& lookup);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Pattern files and memory tables of the domain lists are read here; call
  // before the process is locked.
  void load();

  // Completes and normalises an address in internal form: source routes,
  // bang paths, percent hack, myorigin, append_dot_mydomain, a trailing dot.
  // "" stays "".
  std::string rewrite(const std::string& address, Context context) const;

  // Where mail from `sender` (internal form, may be empty) to `address`
  // (rewritten) goes. Trouble: a table did not answer, with the warning for
  // the log as its text.
  Task<Result<Resolved>> resolve(std::string sender, std::string address);

  // The class of a bare domain. Trouble: a table did not answer.
  Task<Result<AddressClass>> class_of(std::string domain);

  // Is the recipient listed, by the maps of its class (local_recipient_maps,
  // relay_recipient_maps, virtual_mailbox_maps, virtual alias, canonical)? A
  // class without such maps knows everybody. When unknown: what to say, as
  // in "User unknown in local recipient table".
  struct Known {
    bool known = true;
    std::string text;  // without enhanced status
    // 5.1.1, or what an error transport's next hop begins with.
    std::string status = "5.1.1";
    // unknown_local_recipient_reject_code …; empty: by the status.
    std::string reject_code_parameter;
  };
  Task<Result<Known>> recipient_known(std::string address, Resolved resolved);

  // Is this the domain, or the [address], of this host (mydestination,
  // inet_interfaces, proxy_interfaces)?
  Task<Result<bool>> is_local_domain(std::string domain);

  // "transport:nexthop" as transport(5) has it; the next hop may be empty.
  static std::pair<std::string, std::string> split_destination(
      const std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace route
}  // namespace postern
