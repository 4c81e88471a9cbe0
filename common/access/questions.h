// What access decisions ask of others. A server answers over its links
// (smtpd/server.h), a tool in its own way (tools/postern_explain.cc), tests as
// they please.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/verify.h"
#include "common/loop/task.h"
#include "common/route/router.h"

namespace postern::access {

struct PolicyService;

class Questions {
 public:
  virtual ~Questions() = default;

  virtual Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) = 0;
  // `recipient` in internal form, not yet rewritten.
  virtual Task<Result<route::Resolved>> resolve(std::string sender,
                                                std::string recipient) = 0;
  virtual Task<Result<route::Router::Known>> known(
      std::string recipient, route::Resolved resolved) = 0;
  // Records of a type, "MX"; failures are answers.
  virtual Task<ipc::DnsAnswer> dns(std::string name, std::string type) = 0;
  // Addresses of one host, from the hosts file too.
  virtual Task<ipc::MailHostsAnswer> host(std::string name) = 0;
  // Whether mail to the address is deliverable. Waits as the question says.
  virtual Task<Result<ipc::VerifyAnswer>> verify(ipc::VerifyFind question) = 0;
  // The action that a policy service answers with; Trouble: none came, and the
  // reason has been logged. `service` outlives the call.
  virtual Task<Result<std::string>> policy(const PolicyService* service,
                                           std::string request) = 0;
};

}  // namespace postern::access
