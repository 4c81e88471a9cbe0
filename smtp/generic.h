// Addresses on their way out: smtp_generic_maps, generic(5). Local names become
// ones that the world knows, in the envelope and in headers.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

class GenericMap {
 public:
  // Both are borrowed.
  GenericMap(const Settings& settings, Resolver& resolver)
      : settings_(settings), resolver_(resolver) {}

  bool empty() const { return settings_.generic.maps.empty(); }

  // What becomes of an address in internal form; itself where no table knows
  // it, and "" stays "". Each is asked for once. Trouble: a table did not
  // answer.
  Task<Result<std::string>> map(std::string address);

  // The same for all addresses of a header; nullopt: none changes.
  Task<Result<std::optional<std::string>>> map_header(std::string header,
                                                      std::size_t name_length);

 private:
  const Settings& settings_;
  Resolver& resolver_;
  std::map<std::string, std::string> known_;
};

}  // namespace postern::smtp
