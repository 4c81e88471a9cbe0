// One request of qmgr: its next hops, the servers of each, until every
// recipient has a verdict. Start reading at run().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ipc/messages/deliver.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "smtp/connection.h"
#include "smtp/conversation.h"
#include "smtp/outcome.h"
#include "smtp/reuse.h"
#include "smtp/route.h"
#include "smtp/settings.h"
#include "smtp/surroundings.h"

namespace postern::smtp {

class Delivery {
 public:
  Delivery(const Surroundings& surroundings, ipc::DeliverRequest request);
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  Task<ipc::DeliverReport> run();

 private:
  using End = Conversation::End;

  // The next hop, then the fallback relays.
  std::vector<std::string> sites() const;
  Task<void> filter_verdicts();
  // False: a table does not answer; the verdicts say so.
  Task<bool> map_envelope();
  Task<void> try_kept_sessions();
  // Is a kept session what a new one with the same server would be?
  Task<bool> still_fits();
  // How to deal with this server, by tables and DNS of now.
  Task<Result<Terms>> terms_for(Target target);
  Task<void> try_site(bool last_site);
  Task<void> try_server(Target target, bool last_server, bool last_site);
  // One session; false: TLS failed, and the mail may go without it.
  Task<bool> try_session(Target target, Terms terms);
  void note_no_session(Failure failure);
  Task<Result<Fd>> open(Target target);
  // The session in connection_, and what becomes of it. Never throws.
  Task<End> use_session();
  // Greeting to verdicts. Throws Hangup.
  Task<End> converse();
  void part(End end);
  void settle_the_rest();
  // May this message go in the clear, after TLS has failed?
  bool may_go_plain() const;
  bool session_limit_reached() const;

  const Surroundings& around_;
  const Settings& settings_;
  const log::Log& log_;
  Resolver& resolver_;
  SessionPool& sessions_;
  ipc::DeliverRequest request_;
  Ledger ledger_;
  GenericMap generic_;
  WireEnvelope wire_;
  // Under which name sessions are kept: of the destination, and of the sender
  // where that may decide who we log in as.
  std::string pool_key_;
  bool keep_;         // a session with this destination is worth keeping
  std::string site_;  // the current one of sites()
  std::size_t sessions_had_ = 0;  // at this site
  bool passed_on_ = false;  // best_mx_transport gets it
  bool no_fallback_ = false;      // we are a mail exchanger of this domain
  std::vector<std::string> servers_done_;  // those that have refused already
  std::optional<Failure> why_;  // why the last attempt gave no session
  bool plain_retry_ = false;    // the last session ended for want of TLS
  std::unique_ptr<Connection> connection_;
  std::optional<Conversation> conversation_;
};

}  // namespace postern::smtp
