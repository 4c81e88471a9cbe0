// What cleanup asks about addresses: the rules of the router, and the tables
// that lookup holds. Behind an interface, so that the logic of messages is
// tested without either.
// Next: mapping.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/queue.h"
#include "common/loop/task.h"
#include "common/route/router.h"

namespace postern::cleanup {

class AddressBook {
 public:
  virtual ~AddressBook() = default;

  // Completes and normalises an internal address.
  virtual std::string rewrite(const std::string& address,
                              route::Context context) const = 0;
  // How an agent reaches the recipient. Trouble: a table did not answer.
  virtual Task<Result<ipc::RouteWire>> resolve(std::string sender,
                                               std::string address) = 0;
  // Is the domain one of ours, in which tables may name users without it?
  virtual Task<Result<bool>> is_local(std::string domain) = 0;
  // The first answer for any of the keys; `partial_from` as in TableFind.
  virtual Task<Result<ipc::TableAnswer>> find(std::string maps,
                                              std::vector<std::string> keys,
                                              std::int64_t partial_from) = 0;
  // Are the tables at hand, and have no answer for the key? Nothing need be
  // asked then.
  virtual bool has_no(const std::string& maps, const std::string& key) const {
    static_cast<void>(maps);
    static_cast<void>(key);
    return false;
  }
};

}  // namespace postern::cleanup
