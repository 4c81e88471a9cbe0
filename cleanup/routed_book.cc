#include "cleanup/routed_book.h"

#include <utility>

#include "common/base/text.h"

namespace postern::cleanup {
namespace {

constexpr const char* table_parameters[] = {
    "sender_canonical_maps", "recipient_canonical_maps", "canonical_maps",
    "virtual_alias_maps",    "sender_bcc_maps",          "recipient_bcc_maps",
    "header_checks",         "mime_header_checks",       "nested_header_checks",
    "body_checks",
};

}  // namespace

RoutedBook::RoutedBook(const config::Config& config,
                       route::LookupClient& lookup)
    : lookup_(lookup),
      myorigin_(config.get<"myorigin">()),
      router_(config, lookup) {}

Status RoutedBook::load(const config::Config& config) {
  for (const char* parameter : table_parameters) {
    const Status done = lookup_.preload(config.text(parameter));
    if (!done)
      return give_up("3.5", std::string(parameter) + ": " +
                                done.trouble().text);
  }
  router_.load();
  return {};
}

std::string RoutedBook::rewrite(const std::string& address,
                                route::Context context) const {
  return router_.rewrite(address, context);
}

Task<Result<ipc::RouteWire>> RoutedBook::resolve(std::string sender,
                                                 std::string address) {
  Result<route::Resolved> resolved =
      co_await router_.resolve(std::move(sender), std::move(address));
  if (!resolved) co_return resolved.trouble();
  ipc::RouteWire route;
  route.transport = std::move(resolved->transport);
  route.nexthop = std::move(resolved->nexthop);
  route.address = std::move(resolved->recipient);
  co_return std::move(route);
}

Task<Result<bool>> RoutedBook::is_local(std::string domain) {
  if (domain.empty() || equal_nocase(domain, myorigin_)) co_return true;
  Result<bool> ours = co_await router_.is_local_domain(std::move(domain));
  co_return std::move(ours);
}

Task<Result<ipc::TableAnswer>> RoutedBook::find(std::string maps,
                                                std::vector<std::string> keys,
                                                std::int64_t partial_from) {
  Result<ipc::TableAnswer> answer = co_await lookup_.find_first(
      std::move(maps), std::move(keys), partial_from);
  co_return std::move(answer);
}

bool RoutedBook::has_no(const std::string& maps, const std::string& key) const {
  return lookup_.has_no(maps, key);
}

}  // namespace postern::cleanup
