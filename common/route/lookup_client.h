// How the other processes ask lookup, and the tables that need no asking:
// those that live in memory are read before the process is locked (preload)
// and answer from there.
// The questions and what their answers mean: common/ipc/messages/lookup.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/screen.h"
#include "common/ipc/messages/tls_sessions.h"
#include "common/ipc/messages/verify.h"
#include "common/loop/task.h"
#include "common/os/users.h"
#include "common/service/service.h"
#include "common/tables/table.h"

namespace postern::route {

class LookupClient {
 public:
  // Asks the service "lookup". `service` must outlive the client.
  explicit LookupClient(Service& service);
  // Knows what was preloaded and nothing else: all other questions are
  // Trouble. For tests and tools. `warn` hears of tables that do not open.
  explicit LookupClient(tables::Warn warn = {});
  // Asks nobody: opens every table when it is first asked for, with the rights
  // of this process, and the machine's own user database. For tools.
  struct OpensAll {};
  LookupClient(OpensAll, tables::OpenOptions options);
  ~LookupClient();
  LookupClient(const LookupClient&) = delete;
  LookupClient& operator=(const LookupClient&) = delete;

  // Opens the tables of the list that live in memory; call before the process
  // is locked. One that does not open is logged, and every question to it is
  // Trouble. Trouble: the list cannot be read.
  Status preload(const std::string& maps);

  // --- tables; `maps` is a list as in main.conf, expanded ---
  // Trouble: a table could not answer, which never means "not found".
  // Answered without a wait where all tables of the list are preloaded.
  Task<Result<std::optional<std::string>>> find(std::string maps,
                                                std::string key);
  // The first answer for any of the keys. Keys from `partial_from` on are
  // parts of an address, which tables of patterns are not asked for.
  Task<Result<ipc::TableAnswer>> find_first(std::string maps,
                                            std::vector<std::string> keys,
                                            std::int64_t partial_from);

  // Are all tables of the list preloaded, and have no answer? Without a wait
  // and without an allocation: for questions that come by the line.
  bool has_no(const std::string& maps, std::string_view key) const;

  // --- users ---
  Task<Result<std::optional<os::User>>> user(std::string name);
  Task<Result<std::optional<os::User>>> user_by_id(std::int64_t id);

  // --- names; failures to ask are answers like failures to find out ---
  Task<ipc::MailHostsAnswer> mail_hosts(ipc::MailHostsFind question);
  Task<ipc::ClientNameAnswer> client_name(std::string address);
  // `type` is "A", "MX", … `dnssec`: validated.
  Task<ipc::DnsAnswer> dns(std::string name, std::string type,
                           bool dnssec = false);

  // --- files that tables name; `what` as in ipc::FileFind ---
  Task<Result<std::string>> file(std::string path, std::string what);

  // --- TLS sessions of this row; keys as in ipc::TlsSessionFind ---
  // "": there is none, or nobody to ask.
  Task<std::string> tls_session(std::string key);
  // Does not wait. An empty session: forgets the one that is kept.
  void keep_tls_session(std::string key, std::string session);

  // --- address verification ---
  Task<Result<ipc::VerifyAnswer>> verify(ipc::VerifyFind question);
  Task<Result<ipc::VerifyNoted>> verified(ipc::VerifyNote note);

  // --- the screen in front of smtpd ---
  Task<Result<ipc::ScreenAnswer>> screened(std::string address);
  Task<Result<ipc::ScreenAnswer>> keep_screened(std::string address,
                                                std::string line);
  // A failure to ask is an answer.
  Task<ipc::DnsListAnswer> dns_list(std::string name, Millis limit);

  // --- rates of clients ---
  // `event` and `client` as in ipc::AnvilNote.
  Task<Result<ipc::AnvilAnswer>> anvil(std::string event, std::string client);

 private:
  Task<Result<std::optional<os::User>>> find_user(ipc::UserFind question);

  using Table = std::shared_ptr<tables::Table>;

  // The preloaded tables of a list, in order; nullopt when lookup must be
  // asked for one of them.
  std::optional<std::vector<Table>> at_hand(const std::string& maps) const;
  static Result<ipc::TableAnswer> find_here(
      const std::vector<Table>& tables, const std::vector<std::string>& keys,
      std::int64_t partial_from);
  template <class Q>
  Task<Result<typename Q::Answer>> ask(Q question, Millis limit);

  Task<void> send(ipc::TlsSessionKeep kept);

  std::unique_ptr<SharedLink> lookup_;
  Nursery sending_;  // goes before the link
  bool opens_all_ = false;
  tables::OpenOptions options_;
  // By name as it stands in lists.
  std::map<std::string, Table, std::less<>> tables_;
  // Whole lists that are at hand, by their text.
  std::map<std::string, std::vector<Table>, std::less<>> lists_;
};

}  // namespace postern::route
