// Connects other processes to hosts outside that their configuration names:
// they may not connect by themselves, and need nothing but the connection.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/role.h"
#include "common/config/endpoints.h"
#include "common/ipc/messages/dial.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "lookup/names.h"

namespace postern::lookup {

class Dialer {
 public:
  // Which endpoints a row of that name and role has.
  using Grants = std::function<std::vector<config::Endpoint>(
      Role role, const std::string& service)>;

  // `names` must outlive this.
  Dialer(Names& names, Grants grants, log::Log log);

  // The first of the host's addresses that answers.
  Task<ipc::DialAnswer> dial(Role role, std::string service,
                             ipc::DialHost question);

 private:
  bool allowed(Role role, const std::string& service,
               const ipc::DialHost& question) const;

  Names& names_;
  Grants grants_;
  log::Log log_;
};

}  // namespace postern::lookup
