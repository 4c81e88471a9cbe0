// What expansion asks about the world: aliases, users, where addresses lead.
// The suite's own is suite_directory.h; tests bring theirs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "common/os/users.h"
#include "common/route/router.h"

namespace postern::local {

struct AliasFound {
  std::string key;    // which of the keys
  std::string value;  // the right-hand side
};

class Directory {
 public:
  virtual ~Directory() = default;
  // The first of the keys that is an alias. Trouble, whose text is for the
  // log: a table did not answer.
  virtual Task<Result<std::optional<AliasFound>>> alias(
      std::vector<std::string> keys) = 0;
  virtual Task<Result<std::optional<os::User>>> user(std::string name) = 0;
  virtual Task<Result<route::Resolved>> resolve(std::string address) = 0;
  // Completes and normalises an address in internal form.
  virtual std::string rewrite(const std::string& address) const = 0;
};

}  // namespace postern::local
