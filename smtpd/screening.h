// What a process with a postscreen row has beside what others have: the
// settings of its screen, who is at it, and the places in sessions behind it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "common/route/lookup_client.h"
#include "common/service/service.h"
#include "smtpd/screen.h"

namespace postern::smtpd {

// The row that sessions belong to: the own one; for a postscreen row the pass
// row that it names (smtpd_service_name).
struct SessionRow {
  std::string name;
  config::Config config;
  log::Log log;  // "postern/smtpd"

  static SessionRow of(const Service& service);
};

// ..._upstream_proxy_protocol, and who is believed.
struct UpstreamProxy {
  bool expected = false;
  Millis limit{};
  tables::MatchList peers;  // proxy_protocol_networks
  std::string failure;      // what a client without header is told

  static UpstreamProxy of_sessions(const config::Config& config,
                                   const log::Log& log);
  static UpstreamProxy of_screen(const config::Config& config,
                                 const log::Log& log);
};

class Screening final : public ScreenQuestions {
 public:
  // All must outlive this. Before the process is locked.
  Screening(Service& service, route::LookupClient& lookup,
            const std::shared_ptr<tls::ServerContext>& tls,
            std::int64_t sessions);

  // Opens tables; those that are asked otherwise go to `lookup`.
  void preload();
  // How many connections a process of such a row holds at most.
  std::int64_t most_connections() const;

  // To be told of each change of stressed().
  void when_stressed(std::function<void()> callback);
  bool stressed() const { return room_.stressed(); }
  void choose(bool stressed) { current_ = stressed ? tense_ : relaxed_; }

  // The connection for a session, which has its place then; invalid: none is
  // to follow.
  Task<Fd> run(Fd socket, access::Client client);
  // A session has ended: its place is free.
  void leave();

  Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) override;
  Task<Result<ipc::ScreenAnswer>> remembered(std::string address) override;
  Task<Result<ipc::ScreenAnswer>> remember(std::string address,
                                           std::string line) override;
  Task<ipc::DnsListAnswer> list(std::string name, Millis limit) override;
  std::int64_t now() override;
  std::shared_ptr<tls::ServerContext> tls() override { return tls_; }
  bool full() override;

 private:
  class Queued;
  Task<bool> take_place();

  const log::Log& log_;
  log::Log dnsblog_;
  route::LookupClient& lookup_;
  const std::shared_ptr<tls::ServerContext>& tls_;
  std::shared_ptr<ScreenSettings> relaxed_, tense_, current_;
  ScreenRoom room_;
  std::int64_t free_;      // places in sessions
  const std::int64_t sessions_;
  std::deque<Promised<bool>*> waiting_;
};

}  // namespace postern::smtpd
