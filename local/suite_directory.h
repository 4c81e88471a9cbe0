// The world as the running suite knows it: lookup is asked for aliases and
// users, the router for where addresses lead.
#pragma once

#include <string>
#include <vector>

#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "local/directory.h"

namespace postern::local {

class SuiteDirectory : public Directory {
 public:
  // `alias_maps` as in main.conf, expanded. All must outlive this object.
  SuiteDirectory(route::LookupClient& lookup, route::Router& router,
                 std::string alias_maps);

  Task<Result<std::optional<AliasFound>>> alias(
      std::vector<std::string> keys) override;
  Task<Result<std::optional<os::User>>> user(std::string name) override;
  Task<Result<route::Resolved>> resolve(std::string address) override;
  std::string rewrite(const std::string& address) const override;

 private:
  route::LookupClient& lookup_;
  route::Router& router_;
  std::string alias_maps_;
};

}  // namespace postern::local
