// The world as the running suite knows it: lookup is asked for aliases and
// users, the router for where addresses lead, workers for the files of users.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "local/directory.h"
#include "local/settings.h"
#include "local/workers.h"

namespace postern::local {

class SuiteDirectory : public Directory {
 public:
  // Before the process is locked: looks who owns the tables of alias_maps. All
  // must outlive this object.
  SuiteDirectory(const Settings& settings, route::LookupClient& lookup,
                 route::Router& router, Workers& workers);

  Task<Result<std::optional<AliasFound>>> alias(
      std::vector<std::string> keys) override;
  Task<Result<std::optional<os::User>>> user(std::string name) override;
  Task<Result<std::optional<os::User>>> user_by_id(std::int64_t id) override;
  Task<Result<route::Resolved>> resolve(std::string address) override;
  std::string rewrite(const std::string& address) const override;
  Task<Result<std::optional<std::string>>> find(std::string maps,
                                                std::string key) override;
  Task<Result<ipc::ListAnswer>> forward(os::User user,
                                        ipc::RecipientNames names) override;
  Task<Result<ipc::ListAnswer>> include(Rights rights, std::string path,
                                        ipc::RecipientNames names) override;

 private:
  const Settings& settings_;
  route::LookupClient& lookup_;
  route::Router& router_;
  Workers& workers_;
  std::map<std::string, os::User> owners_;  // of tables that are not root's
};

}  // namespace postern::local
