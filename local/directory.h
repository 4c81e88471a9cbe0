// What expansion asks about the world: aliases, users, forwarding files, where
// addresses lead. The suite's own is suite_directory.h; tests bring theirs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"
#include "common/loop/task.h"
#include "common/os/users.h"
#include "common/route/router.h"

namespace postern::local {

struct AliasFound {
  std::string key;    // which of the keys
  std::string value;  // the right-hand side
  // Who owns the table; none: root, or nobody can tell.
  std::optional<os::User> owner;
};

// Under whose rights commands and files are delivered to (local(8), DELIVERY
// RIGHTS), and what names them.
struct Rights {
  os::User user;       // no name: default_privs
  std::string origin;  // "alias", "forward", "include"
  std::string list;    // path of the :include: file
  // The rights of a recipient, which go on into :include: files.
  bool of_recipient = false;
};

class Directory {
 public:
  virtual ~Directory() = default;
  // The first of the keys that is an alias. Trouble, whose text is for the
  // log: a table did not answer.
  virtual Task<Result<std::optional<AliasFound>>> alias(
      std::vector<std::string> keys) = 0;
  virtual Task<Result<std::optional<os::User>>> user(std::string name) = 0;
  virtual Task<Result<std::optional<os::User>>> user_by_id(
      std::int64_t id) = 0;
  virtual Task<Result<route::Resolved>> resolve(std::string address) = 0;
  // Completes and normalises an address in internal form.
  virtual std::string rewrite(const std::string& address) const = 0;
  // The value of a key in a list of tables.
  virtual Task<Result<std::optional<std::string>>> find(std::string maps,
                                                        std::string key) = 0;
  // The user's forwarding file. Trouble: it is not known whether there is one.
  virtual Task<Result<ipc::ListAnswer>> forward(os::User user,
                                                ipc::RecipientNames names) = 0;
  // An :include: file, read under these rights.
  virtual Task<Result<ipc::ListAnswer>> include(Rights rights, std::string path,
                                                ipc::RecipientNames names) = 0;
};

}  // namespace postern::local
