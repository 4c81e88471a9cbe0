// Where the TLS sessions of earlier connections are kept: the lookup service,
// or a test.
#pragma once

#include <string>

#include "common/loop/task.h"

namespace postern::smtp {

class TlsSessions {
 public:
  virtual ~TlsSessions() = default;
  // "": none.
  virtual Task<std::string> find(std::string key) = 0;
  // Does not wait. An empty session: the one that is kept is of no more use.
  virtual void keep(std::string key, std::string session) = 0;
};

}  // namespace postern::smtp
