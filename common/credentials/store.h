// The users that authd knows: one SQLite file, users.db in authd's directory
// (docs/formats/user-store.md). authd reads it and notes log-ins; postuser
// changes it, while authd runs or not.
//
// Names are kept prepared and in lower case (saslprep.h), and found however
// they are written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/credentials/keys.h"

struct sqlite3;

namespace postern::credentials {

struct Account {
  std::string name;
  bool disabled = false;
  std::int64_t made = 0;      // seconds since 1970
  std::int64_t changed = 0;   // the password
  std::int64_t logged_in = 0; // 0: never
  Keys keys;
};

class Store {
 public:
  enum class Open { existing, create };
  // Trouble: it cannot be opened, or is not a store. With `existing` a file
  // that is not there is Trouble with detail "4.4"; see missing().
  static Result<Store> open(const std::string& path, Open how);
  static bool missing(const Trouble& trouble);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  Result<std::optional<Account>> find(std::string_view name);
  Result<std::vector<Account>> list();

  // False: there is one of that name already.
  Result<bool> add(std::string_view name, const Keys& keys, bool disabled,
                   std::int64_t now);
  // Those below: false when there is no such user.
  Result<bool> set_keys(std::string_view name, const Keys& keys,
                        std::int64_t now);
  Result<bool> set_disabled(std::string_view name, bool disabled);
  Result<bool> remove(std::string_view name);
  Result<bool> note_login(std::string_view name, std::int64_t now);
  // Puts keys in place of others of the same password, unless the user has
  // got another one meanwhile: `old` is what was checked.
  Result<bool> upgrade(std::string_view name, const Keys& old,
                       const Keys& keys);

  // What decides which mechanisms can be offered.
  struct Kinds {
    bool any_cram_md5 = false;
    // Enabled users whom SCRAM cannot serve: only an imported hash is there.
    std::int64_t without_scram_sha_256 = 0;
    std::int64_t without_scram_sha_1 = 0;
  };
  Result<Kinds> kinds();

  // 32 bytes that are this store's own, from its making on: for answers about
  // users that are not there.
  const std::string& secret() const { return secret_; }

  // All changes between the two are made at once or not at all.
  Status begin();
  Status commit();

 private:
  class Statement;
  Store(std::string path, sqlite3* database);
  Trouble trouble() const;
  Status run(const char* sql);
  Status prepare_file();
  Result<bool> change(Statement& statement);
  Status put_keys(std::string_view name, const Keys& keys);
  Result<Keys> keys_of(std::string_view name);

  std::string path_;
  sqlite3* database_ = nullptr;
  std::string secret_;
};

// users.db in this directory.
std::string store_path(const std::string& directory);

}  // namespace postern::credentials
