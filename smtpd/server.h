// The smtpd process: accepts clients, runs their sessions, asks other
// processes for them.
// Next: session.h.
#pragma once

#include <memory>
#include <vector>

#include "common/access/policy_client.h"
#include "common/loop/task.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "common/service/service.h"
#include "common/tls/service_keys.h"
#include "smtpd/auth_backends.h"
#include "smtpd/content_pool.h"
#include "smtpd/listening.h"
#include "smtpd/screening.h"
#include "smtpd/session.h"
#include "smtpd/settings.h"
#include "smtpd/surroundings.h"

namespace postern::smtpd {

class Server final : public Surroundings {
 public:
  // Reads settings and tables; ends the process where they would make an
  // open relay. Before service.lock().
  explicit Server(Service& service);
  // Begins to accept clients. After service.lock().
  void start();

  Task<ipc::ClientNameAnswer> client_name(std::string address) override;
  Task<Result<ipc::AnvilAnswer>> count(std::string event,
                                       std::string client) override;
  Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) override;
  Task<Result<route::Resolved>> resolve(std::string sender,
                                        std::string recipient) override;
  Task<Result<route::Router::Known>> known(std::string recipient,
                                           route::Resolved resolved) override;
  Task<ipc::DnsAnswer> dns(std::string name, std::string type) override;
  Task<ipc::MailHostsAnswer> host(std::string name) override;
  Task<Result<ipc::VerifyAnswer>> verify(ipc::VerifyFind question) override;
  Task<Result<std::string>> policy(const PolicyService* service,
                                   std::string request) override;
  Task<Result<ipc::FlushAnswer>> flush(std::string site) override;
  Task<Result<ipc::RoomAnswer>> room(std::int64_t size_hint) override;
  AuthService& authentication() override { return *authentication_; }
  Task<Result<std::unique_ptr<ipc::Link>>> borrow_content_link() override;
  void give_back(std::unique_ptr<ipc::Link> link) override;
  std::shared_ptr<tls::ServerContext> tls() override { return tls_; }

 private:
  void preload();
  void warn_of_missing_parts() const;
  void prepare_tls();
  Task<void> warm_up();
  bool accepts() const;
  void arrived(Fd socket, bool passed);
  Task<void> serve(Fd socket, bool passed);
  Task<bool> told_by_proxy(int socket, Client* client);
  Task<Fd> screened(Fd socket, Client client);
  Task<void> converse(Fd socket, Client client);
  void choose_settings();
  void ended();
  void drain();

  Service& service_;
  SessionRow row_;
  route::LookupClient lookup_;
  route::Router router_;
  PolicyClient policies_;
  ContentPool content_;
  SharedLink flush_;
  SharedLink room_;
  Clock::time_point room_asked_{};  // when it last said yes
  tls::ServiceKeys keys_;
  std::shared_ptr<tls::ServerContext> tls_;
  std::shared_ptr<Settings> relaxed_, stressed_, current_;
  bool stress_ = false;  // as master says
  std::unique_ptr<AuthBackend> backend_;
  std::unique_ptr<AuthService> authentication_;
  // Connections, those at the screen among them.
  std::int64_t most_sessions_;
  std::int64_t sessions_ = 0;
  std::unique_ptr<Screening> screening_;  // of a postscreen row
  UpstreamProxy proxy_;
  bool full_ = false;
  std::vector<std::unique_ptr<Listening>> listening_;
  Nursery nursery_;
};

}  // namespace postern::smtpd
