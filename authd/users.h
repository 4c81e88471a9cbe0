// Who may log in, and with what: the user store, and behind it, where it is
// configured, a saslauthd for users that the store does not have. Work is done
// in the threads of Workers. Next: common/credentials/store.h.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "authd/exchange.h"
#include "authd/workers.h"
#include "common/credentials/keys.h"
#include "common/credentials/scram_keys.h"
#include "common/credentials/store.h"
#include "common/log/log.h"

namespace postern::authd {

class Attempts;

// The store as the threads share it: each borrows an open one.
class StorePool {
 public:
  explicit StorePool(std::string path) : path_(std::move(path)) {}
  // Trouble: no store is there (Store::missing()), or it does not open.
  Result<credentials::Store> borrow();
  void give_back(credentials::Store store);

 private:
  std::string path_;
  std::mutex mutex_;
  std::vector<credentials::Store> idle_;
};

struct UserSettings {
  std::string store;           // its path
  credentials::Wanted wanted;  // keys of a user whose old ones are replaced
  std::string saslauthd;       // its path; empty: none
  Millis limit{120'000};       // for a job and for saslauthd
};

class Users {
 public:
  // All must outlive it. What only looks into the store does not wait behind
  // passwords that are checked: it goes to `lookups`.
  Users(UserSettings settings, Workers& hashing, Workers& lookups,
        Attempts& attempts);

  // A name and password, as PLAIN and LOGIN have them. `realm` completes a
  // name without one, if that is the name of a user.
  Task<Outcome> log_in(const Exchange* exchange, std::string realm,
                       std::string name, std::string password);

  // What a mechanism needs to work with a user's keys itself. A user who is
  // not there has keys too, with always the same salt, and `outcome` says why
  // the log-in will fail in the end. `kind`: of key; empty: none is needed.
  struct Found {
    Outcome outcome;  // good: there is such a user, who may log in
    std::string name;  // as the store has it, or as given
    credentials::ScramKeys scram;
    std::string cram_md5;  // the key, 32 bytes
  };
  Task<Found> find(const Exchange* exchange, std::string realm,
                   std::string name, std::string kind);
  // Those of them who have logged in by such a mechanism.
  Task<void> note_login(const Exchange* exchange, std::string name);

  Task<Result<credentials::Store::Kinds>> kinds();
  bool asks_saslauthd() const { return !settings_.saslauthd.empty(); }

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with jobs that nobody waits for
  UserSettings settings_;
  Workers& hashing_;
  Workers& lookups_;
  Attempts& attempts_;
};

}  // namespace postern::authd
