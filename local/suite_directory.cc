#include "local/suite_directory.h"

#include <utility>

namespace postern::local {

SuiteDirectory::SuiteDirectory(route::LookupClient& lookup,
                               route::Router& router, std::string alias_maps)
    : lookup_(lookup), router_(router), alias_maps_(std::move(alias_maps)) {}

// A key without its extension is part of an address only: tables of patterns
// are not asked for it.
Task<Result<std::optional<AliasFound>>> SuiteDirectory::alias(
    std::vector<std::string> keys) {
  std::optional<AliasFound> found;
  if (alias_maps_.empty()) co_return std::move(found);
  Result<ipc::TableAnswer> answer =
      co_await lookup_.find_first(alias_maps_, keys, 1);
  if (!answer) co_return answer.trouble();
  const auto which = static_cast<std::size_t>(answer->key);
  if (answer->found && which < keys.size())
    found = AliasFound{keys[which], std::move(answer->value)};
  co_return std::move(found);
}

Task<Result<std::optional<os::User>>> SuiteDirectory::user(std::string name) {
  co_return co_await lookup_.user(std::move(name));
}

Task<Result<route::Resolved>> SuiteDirectory::resolve(std::string address) {
  const std::string sender;
  co_return co_await router_.resolve(sender, std::move(address));
}

std::string SuiteDirectory::rewrite(const std::string& address) const {
  return router_.rewrite(address, route::Context::local);
}

}  // namespace postern::local
