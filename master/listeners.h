// Every socket with a name: bound by master, kept open through the life of
// the daemons that serve it and through reloads, so that no connection is
// refused while one of them is replaced.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/config/master_table.h"
#include "common/ipc/messages/control.h"
#include "common/os/fd.h"

namespace postern::master {

class Listeners {
 public:
  // Binds what `rows` (those that listen) need and is not bound yet, and
  // closes what none of them needs any more. Trouble for the first socket that
  // cannot be bound; the others are bound nevertheless. Names of local sockets
  // are below the working directory, which is queue_directory.
  Status update(const std::vector<config::ServiceRow>& rows,
                const config::Config& config);

  // Duplicates, for a process that serves these rows.
  std::vector<ipc::ListenerWire> of(
      const std::vector<config::ServiceRow>& rows) const;

  std::size_t size() const { return bound_.size(); }

 private:
  struct Bound {
    std::string service;
    std::string type;
    std::string name;
    Fd socket;
  };
  std::map<std::string, Bound> bound_;  // by type and name
};

}  // namespace postern::master
