#include "authd/users.h"

#include <ctime>

#include "authd/attempts.h"
#include "authd/saslauthd.h"
#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/saslprep.h"

namespace postern::authd {
namespace {

using credentials::Account;
using credentials::Hash;
using credentials::Store;

// A log-in is written down when the last one is older than this: the file is
// synced each time.
constexpr std::int64_t login_resolution = 3600;
constexpr std::size_t salt_size = 16;
constexpr std::string_view busy = "too many log-ins are waiting";
constexpr std::string_view slow = "the user store took too long";

// Of names without a realm the completed one is tried first.
std::vector<std::string> candidates(const std::string& written,
                                    const std::string& realm) {
  std::vector<std::string> names;
  const std::string name = credentials::prepared(written);
  if (!realm.empty() && name.find('@') == std::string::npos)
    names.push_back(name + "@" + realm);
  names.push_back(name);
  return names;
}

// What failures are counted for: one name for all ways to write a user's, and
// one for whom there is no user as well.
std::string account_of(const std::string& name, const std::string& realm) {
  return to_lower(candidates(name, realm).front());
}

// A mark that says nothing outside this process.
std::uint64_t mark_of(const std::string& name, const std::string& password,
                      const std::string& key) {
  const std::string mac =
      credentials::hmac(Hash::sha256, key, name + '\0' + password);
  std::uint64_t mark = 1;
  for (std::size_t i = 0; i < 8; ++i)
    mark = mark << 8 | static_cast<unsigned char>(mac[i]);
  return mark | 1;
}

Result<std::optional<Account>> find_any(Store& store, const std::string& name,
                                        const std::string& realm) {
  for (const std::string& each : candidates(name, realm)) {
    Result<std::optional<Account>> found = store.find(each);
    if (!found || *found) return found;
  }
  return std::optional<Account>();
}

Outcome locked_account(std::string name) {
  return refused(std::move(name), "the account is locked for a while");
}

Outcome disabled(std::string name) {
  Outcome outcome = refused(std::move(name), "the user is disabled");
  outcome.code = "user_disabled";
  return outcome;
}

}  // namespace

Result<Store> StorePool::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Store store = std::move(idle_.back());
      idle_.pop_back();
      return store;
    }
  }
  return Store::open(path_, Store::Open::existing);
}

void StorePool::give_back(Store store) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(store));
}

// What jobs use, in any thread.
struct Users::Shared {
  Shared(const UserSettings& settings)
      : pool(settings.store),
        wanted(settings.wanted),
        secret(credentials::random_bytes(32)) {}

  struct Told {
    Outcome outcome;
    bool unknown = false;
  };
  Told check(const std::string& realm, const std::string& name,
             const std::string& password);
  Told settle(Store& store, const Account* account, const std::string& name,
              const std::string& password);
  Found find(const std::string& realm, const std::string& name,
             const std::string& kind);
  const std::string& hash_of_nobody();
  credentials::ScramKeys keys_of_nobody(const std::string& secret_of_store,
                                        const std::string& name, Hash hash);

  StorePool pool;
  const credentials::Wanted wanted;
  const std::string secret;  // of this process
  std::once_flag made;
  std::string nobody;
};

const std::string& Users::Shared::hash_of_nobody() {
  std::call_once(
      made, [this] { nobody = credentials::argon2id_of_nobody(wanted.cost); });
  return nobody;
}

credentials::ScramKeys Users::Shared::keys_of_nobody(
    const std::string& secret_of_store, const std::string& name, Hash hash) {
  const std::string salt = credentials::hmac(
      Hash::sha256, secret_of_store,
      std::to_string(credentials::size_of(hash)) +
          credentials::name_key(name));
  return {hash, credentials::scram_iterations, salt.substr(0, salt_size),
          credentials::random_bytes(credentials::size_of(hash)),
          credentials::random_bytes(credentials::size_of(hash))};
}

// The outcome for an account, or for none.
Users::Shared::Told Users::Shared::settle(Store& store, const Account* account,
                                          const std::string& name,
                                          const std::string& password) {
  const credentials::Checked checked = credentials::check(
      account ? &account->keys : nullptr, password, hash_of_nobody(), wanted);
  if (account == nullptr) return {refused(name, "there is no such user"), true};
  if (!checked.good) return {refused(name, "wrong password"), false};
  if (account->disabled) return {disabled(name), false};
  Told told;
  told.outcome.kind = Outcome::Kind::good;
  told.outcome.user = account->name;
  if (checked.outdated) {
    credentials::Wanted keep = wanted;
    keep.cram_md5 =
        find_key(account->keys, credentials::cram_md5_kind) != nullptr;
    const credentials::Keys keys = credentials::make_keys(password, keep);
    if (!keys.empty()) {
      const Result<bool> done =
          store.upgrade(account->name, account->keys, keys);
      told.outcome.why = !done    ? done.trouble().text
                         : *done ? "the password's keys were made anew"
                                 : "";
    }
  }
  const std::int64_t now = ::time(nullptr);
  if (account->logged_in + login_resolution <= now)
    if (const Result<bool> done = store.note_login(account->name, now); !done)
      told.outcome.why = done.trouble().text;
  return told;
}

Users::Shared::Told Users::Shared::check(const std::string& realm,
                                         const std::string& name,
                                         const std::string& password) {
  Result<Store> store = pool.borrow();
  if (!store && !Store::missing(store.trouble()))
    return {unavailable(store.trouble().text), false};
  if (!store) {
    [[maybe_unused]] const credentials::Checked same_work =
        credentials::check(nullptr, password, hash_of_nobody(), wanted);
    return {refused(name, store.trouble().text), true};
  }
  const Result<std::optional<Account>> found = find_any(*store, name, realm);
  if (!found) return {unavailable(found.trouble().text), false};
  Told told =
      settle(*store, *found ? &**found : nullptr, name, password);
  pool.give_back(std::move(*store));
  return told;
}

Users::Found Users::Shared::find(const std::string& realm,
                                 const std::string& name,
                                 const std::string& kind) {
  const Hash hash =
      kind == credentials::scram_sha_1_kind ? Hash::sha1 : Hash::sha256;
  Found out;
  out.name = name;
  out.cram_md5 = credentials::random_bytes(32);
  Result<Store> store = pool.borrow();
  if (!store && !Store::missing(store.trouble())) {
    out.outcome = unavailable(store.trouble().text);
    return out;
  }
  out.scram = keys_of_nobody(store ? store->secret() : secret, name, hash);
  if (!store) {
    out.outcome = refused(name, store.trouble().text);
    return out;
  }
  const Result<std::optional<Account>> found = find_any(*store, name, realm);
  if (!found) {
    out.outcome = unavailable(found.trouble().text);
    return out;
  }
  pool.give_back(std::move(*store));
  if (!*found) {
    out.outcome = refused(name, "there is no such user");
    return out;
  }
  const Account& account = **found;
  out.name = account.name;
  const std::string* key = credentials::find_key(account.keys, kind);
  const auto scram =
      key ? credentials::scram_keys_from(hash, *key) : std::nullopt;
  const bool usable =
      kind.empty() || scram || (key && kind == credentials::cram_md5_kind);
  if (!usable) {
    out.outcome = refused(name, "the store has no key of the user for this");
    return out;
  }
  if (scram) out.scram = *scram;
  if (key && !scram) out.cram_md5 = credentials::from_hex(*key);
  if (account.disabled) {
    out.outcome = disabled(name);
    return out;
  }
  out.outcome.kind = Outcome::Kind::good;
  out.outcome.user = account.name;
  return out;
}

Users::Users(UserSettings settings, Workers& hashing, Workers& lookups,
             Attempts& attempts)
    : shared_(std::make_shared<Shared>(settings)),
      settings_(std::move(settings)),
      hashing_(hashing),
      lookups_(lookups),
      attempts_(attempts) {}

Task<Outcome> Users::log_in(const Exchange* exchange, std::string realm,
                            std::string name, std::string password) {
  if (name.empty() || !valid_utf8(name) ||
      name.find('\0') != std::string::npos)
    co_return refused(printable(name), "a name that cannot be one");
  const std::string account = account_of(name, realm);
  const std::string address = exchange->session().address;
  if (attempts_.account_locked(account, address, Clock::now()))
    co_return locked_account(std::move(name));
  const std::uint64_t guess = mark_of(account, password, shared_->secret);
  Shared::Told told;
  {
    Workers::Job<Shared::Told> job(
        hashing_, exchange->client(),
        [shared = shared_, realm, name, password] {
          return shared->check(realm, name, password);
        });
    if (!job.accepted()) co_return unavailable(std::string(busy));
    const bool in_time = co_await job.wait(settings_.limit);
    if (!in_time) co_return unavailable(std::string(slow));
    told = job.take();
  }
  told.outcome.backend = "store";
  if (told.unknown && asks_saslauthd()) {
    SaslauthdQuestion question;
    question.user = name;
    question.password = password;
    question.service = exchange->session().service;
    question.realm = realm;
    const std::string path = settings_.saslauthd;
    const Millis limit = settings_.limit;
    const Result<bool> good =
        co_await ask_saslauthd(path, std::move(question), limit);
    if (!good) {
      told.outcome = unavailable(good.trouble().text);
    } else if (*good) {
      told.outcome = Outcome();
      told.outcome.kind = Outcome::Kind::good;
      told.outcome.user = name;
    } else {
      told.outcome = refused(name, "saslauthd refused it");
    }
    told.outcome.backend = "saslauthd";
  }
  credentials::wipe(password);
  told.outcome.account = account;
  told.outcome.guess = guess;
  co_return std::move(told.outcome);
}

Task<Users::Found> Users::find(const Exchange* exchange, std::string realm,
                               std::string name, std::string kind) {
  Workers::Job<Found> job(lookups_, exchange->client(),
                          [shared = shared_, realm, name, kind] {
                            return shared->find(realm, name, kind);
                          });
  Found found;
  found.outcome = unavailable(std::string(busy));
  if (!job.accepted()) co_return std::move(found);
  const bool in_time = co_await job.wait(settings_.limit);
  if (in_time)
    found = job.take();
  else
    found.outcome = unavailable(std::string(slow));
  const std::string account = account_of(name, realm);
  if (attempts_.account_locked(account, exchange->session().address,
                               Clock::now()))
    found.outcome = locked_account(name);
  found.outcome.backend = "store";
  found.outcome.account = account;
  co_return std::move(found);
}

Task<void> Users::note_login(const Exchange* exchange, std::string name) {
  Workers::Job<bool> job(lookups_, exchange->client(),
                         [shared = shared_, name] {
                           Result<Store> store = shared->pool.borrow();
                           if (!store) return false;
                           const std::int64_t now = ::time(nullptr);
                           const auto account = store->find(name);
                           if (!account || !*account ||
                               (*account)->logged_in + login_resolution > now)
                             return false;
                           const auto noted = store->note_login(name, now);
                           shared->pool.give_back(std::move(*store));
                           return noted.ok() && *noted;
                         });
  if (!job.accepted()) co_return;
  co_await job.wait(settings_.limit);
}

Task<Result<Store::Kinds>> Users::kinds() {
  Workers::Job<Result<Store::Kinds>> job(
      lookups_, "", [shared = shared_]() -> Result<Store::Kinds> {
        Result<Store> store = shared->pool.borrow();
        if (!store && Store::missing(store.trouble())) return Store::Kinds();
        if (!store) return store.trouble();
        Result<Store::Kinds> kinds = store->kinds();
        shared->pool.give_back(std::move(*store));
        return kinds;
      });
  if (!job.accepted()) co_return try_later("3.2", std::string(busy));
  const bool in_time = co_await job.wait(settings_.limit);
  if (!in_time) co_return try_later("3.2", std::string(slow));
  co_return job.take();
}

}  // namespace postern::authd
