// The questions of an access decision, answered by this tool itself: tables
// are opened here, names are asked of the machine's name servers, the cache of
// verified addresses is read. Nothing is changed: no probe is sent, and a
// policy service is asked only when that is wished.
#pragma once

#include <memory>
#include <string>

#include "common/access/policy_client.h"
#include "common/access/questions.h"
#include "common/config/config.h"
#include "common/databases/open.h"
#include "common/dns/resolver.h"
#include "common/dns/system_files.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "tools/explain_options.h"
#include "tools/explain_report.h"

namespace postern::tools {

class ExplainQuestions final : public access::Questions {
 public:
  // All must outlive it.
  ExplainQuestions(const config::Config& config, const log::Log& log,
                   const Envelope& envelope, Report& report);

  Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) override;
  Task<Result<route::Resolved>> resolve(std::string sender,
                                        std::string recipient) override;
  Task<Result<route::Router::Known>> known(std::string recipient,
                                           route::Resolved resolved) override;
  Task<ipc::DnsAnswer> dns(std::string name, std::string type) override;
  Task<ipc::MailHostsAnswer> host(std::string name) override;
  Task<Result<ipc::VerifyAnswer>> verify(ipc::VerifyFind question) override;
  Task<Result<std::string>> policy(const access::PolicyService* service,
                                   std::string request) override;

  route::Router& router() { return router_; }
  route::LookupClient& tables() { return tables_; }

 private:
  Task<Result<Fd>> dial(config::Endpoint endpoint, Millis limit);

  const config::Config& config_;
  const Envelope& envelope_;
  Report& report_;
  databases::Opener databases_;
  route::LookupClient tables_;
  route::Router router_;
  std::unique_ptr<dns::Resolver> resolver_;
  dns::HostsFile hosts_;
  access::PolicyClient policies_;
};

}  // namespace postern::tools
