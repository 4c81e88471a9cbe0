// Tells users who are logged in of new mail (biff): a datagram to comsat(8) on
// this machine, by a socket that is connected before the process is locked.
#pragma once

#include <cstdint>
#include <string>

#include "common/os/fd.h"

namespace postern::local {

class Biff {
 public:
  // Without a socket where the system has none to give: then nobody is told.
  Biff();
  // "user@offset": where in the user's mailbox the message begins. Whether
  // anybody listens does not matter.
  void tell(const std::string& user, std::int64_t offset) const;

 private:
  Fd socket_;
};

}  // namespace postern::local
