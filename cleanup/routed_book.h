// The address book of a running cleanup: the router's rules, lookup's tables.
#pragma once

#include <string>
#include <vector>

#include "cleanup/address_book.h"
#include "common/config/config.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"

namespace postern::cleanup {

class RoutedBook final : public AddressBook {
 public:
  // `lookup` outlives the book.
  RoutedBook(const config::Config& config, route::LookupClient& lookup);
  // Reads what lies in memory: before the process is locked.
  Status load(const config::Config& config);

  std::string rewrite(const std::string& address,
                      route::Context context) const override;
  Task<Result<ipc::RouteWire>> resolve(std::string sender,
                                       std::string address) override;
  Task<Result<bool>> is_local(std::string domain) override;
  Task<Result<ipc::TableAnswer>> find(std::string maps,
                                      std::vector<std::string> keys,
                                      std::int64_t partial_from) override;
  bool has_no(const std::string& maps, const std::string& key) const override;

 private:
  route::LookupClient& lookup_;
  std::string myorigin_;
  route::Router router_;
};

}  // namespace postern::cleanup
