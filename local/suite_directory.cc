#include "local/suite_directory.h"

#include <utility>

#include "common/base/text.h"
#include "common/service/rights.h"
#include "local/storing.h"

namespace postern::local {

SuiteDirectory::SuiteDirectory(const Settings& settings,
                               route::LookupClient& lookup,
                               route::Router& router, Workers& workers)
    : settings_(settings),
      lookup_(lookup),
      router_(router),
      workers_(workers) {
  for (const std::string& table : split_words(settings.alias_maps))
    if (std::optional<os::User> owner = owner_of_table(table))
      owners_[table] = std::move(*owner);
}

// A key without its extension is part of an address only: tables of patterns
// are not asked for it.
Task<Result<std::optional<AliasFound>>> SuiteDirectory::alias(
    std::vector<std::string> keys) {
  std::optional<AliasFound> found;
  if (settings_.alias_maps.empty()) co_return std::move(found);
  Result<ipc::TableAnswer> answer =
      co_await lookup_.find_first(settings_.alias_maps, keys, 1);
  if (!answer) co_return answer.trouble();
  const auto which = static_cast<std::size_t>(answer->key);
  if (answer->found && which < keys.size())
    found = AliasFound{keys[which], std::move(answer->value), std::nullopt};
  if (const auto owner = owners_.find(answer->table);
      found && owner != owners_.end())
    found->owner = owner->second;
  co_return std::move(found);
}

Task<Result<std::optional<os::User>>> SuiteDirectory::user(std::string name) {
  co_return co_await lookup_.user(std::move(name));
}

Task<Result<std::optional<os::User>>> SuiteDirectory::user_by_id(
    std::int64_t id) {
  co_return co_await lookup_.user_by_id(id);
}

Task<Result<std::optional<std::string>>> SuiteDirectory::find(
    std::string maps, std::string key) {
  co_return co_await lookup_.find(std::move(maps), std::move(key));
}

// Of the worker that will write the mailbox where that has no more rights than
// its user.
Task<Result<ipc::ListAnswer>> SuiteDirectory::forward(
    os::User user, ipc::RecipientNames names) {
  ipc::WorkerRequest who = mailbox_worker(settings_, user);
  if (in_spool(settings_.spool, who.path)) who.path.clear();
  ipc::ListRequest what;
  what.names = std::move(names);
  if (settings_.require_home) what.required_directory = user.home;
  co_return co_await workers_.list(std::move(who), std::move(what));
}

Task<Result<ipc::ListAnswer>> SuiteDirectory::include(
    Rights rights, std::string path, ipc::RecipientNames names) {
  ipc::WorkerRequest who;
  who.purpose = "list";
  who.uid = rights.user.uid;
  who.gid = rights.user.gid;
  who.user = rights.user.name;
  who.list = std::move(path);
  who.origin = rights.of_recipient ? "forward" : "alias";
  // A list in a list is read as the owner of the outer one, who is neither the
  // user whose forwarding file, nor the one whose alias it stands in.
  const std::optional<os::User>& usual = settings_.expand.default_user;
  const bool anybodys = !rights.of_recipient && usual &&
                        usual->uid == rights.user.uid;
  if (!rights.list.empty() && !anybodys) {
    who.origin = "include";
    who.path = std::move(rights.list);
  }
  ipc::ListRequest what;
  what.include = true;
  what.names = std::move(names);
  co_return co_await workers_.list(std::move(who), std::move(what));
}

Task<Result<route::Resolved>> SuiteDirectory::resolve(std::string address) {
  const std::string sender;
  co_return co_await router_.resolve(sender, std::move(address));
}

std::string SuiteDirectory::rewrite(const std::string& address) const {
  return router_.rewrite(address, route::Context::local);
}

}  // namespace postern::local
