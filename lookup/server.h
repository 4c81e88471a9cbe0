// Answers the questions that come over links. Questions to name servers, to
// the user database and to tables that others answer wait side by side; tables
// in files answer at once.
// Next: table_cache.h, names.h, anvil.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/ipc/link.h"
#include "common/ipc/messages/lookup.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/os/users.h"
#include "lookup/anvil.h"
#include "lookup/dialer.h"
#include "lookup/helper_thread.h"
#include "lookup/names.h"
#include "lookup/screen_cache.h"
#include "lookup/table_cache.h"
#include "lookup/tls_sessions.h"
#include "lookup/verifier.h"

namespace postern::lookup {

class Server {
 public:
  // All of them must outlive the server. `log` is for complaints about peers.
  Server(TableCache& tables, Names& names, Anvil& anvil, HelperThread& helper,
         log::Log log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Without one, nobody is connected to anything. Must outlive the server.
  void use(Dialer& dialer) { dialer_ = &dialer; }

  // Without one, no address is verified. Must outlive the server.
  void use(Verifier& verifier) { verifier_ = &verifier; }

  // Without one, no TLS session is kept. Must outlive the server.
  void use(TlsSessions& sessions) { tls_sessions_ = &sessions; }
  // Without one, nothing is remembered of clients that were screened. Must
  // outlive the server.
  void use(ScreenCache& cache) { screen_ = &cache; }

  // Serves the link until it closes.
  void take(std::unique_ptr<ipc::Link> link);
  std::size_t links() const { return sessions_.size(); }

  // Calls back, once, as soon as no question is under way.
  void when_answered(std::function<void()> callback);

 private:
  struct Session;
  Task<void> serve(std::unique_ptr<Session> session);
  void handle(Session* session, ipc::Frame frame);
  template <class Q>
  void begin(Session* session, ipc::Frame& frame,
             Task<typename Q::Answer> (Server::*answer)(Q));
  template <class Q>
  Task<void> finish(Session* session, std::uint32_t id,
                    Task<typename Q::Answer> answer);

  void dial(Session* session, ipc::Frame& frame);
  Task<ipc::TableAnswer> find_slowly(Role peer, ipc::TableFind question);
  void note_named_file(Role peer, const ipc::TableAnswer& found);
  ipc::FileAnswer read_file(const ipc::FileFind& question) const;
  Task<ipc::VerifyAnswer> verify(ipc::VerifyFind question);
  Task<ipc::UserAnswer> user(ipc::UserFind question);
  Task<ipc::MailHostsAnswer> mail_hosts(ipc::MailHostsFind question);
  Task<ipc::ClientNameAnswer> client_name(ipc::ClientNameFind question);
  Task<ipc::DnsAnswer> records(ipc::DnsFind question);
  Task<ipc::DnsListAnswer> list(ipc::DnsListFind question);
  void check_answered();

  TableCache& tables_;
  Names& names_;
  Anvil& anvil_;
  HelperThread& helper_;
  Dialer* dialer_ = nullptr;
  Verifier* verifier_ = nullptr;
  TlsSessions* tls_sessions_ = nullptr;
  ScreenCache* screen_ = nullptr;
  log::Log log_;
  std::set<std::string> named_files_;  // by tables, to smtp
  std::uint64_t last_session_ = 0;
  std::size_t under_way_ = 0;
  std::function<void()> answered_;
  Nursery sessions_;
};

// What the user database said, as an answer.
ipc::UserAnswer user_answer(const Result<std::optional<os::User>>& found);

}  // namespace postern::lookup
