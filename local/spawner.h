// spawn(8): for each connection to the row's socket a program, with the
// connection as its standard input, output and error.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "common/config/command_row.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/service/service.h"
#include "local/settings.h"
#include "local/workers.h"

namespace postern::local {

class Spawner {
 public:
  // Reads the row. All must outlive this object.
  Spawner(Service& service, const Settings& settings, Workers& workers);

  void start();
  // Takes no more connections; `done` is called when the last program ended.
  void stop(std::function<void()> done);

 private:
  void accept(const Listener* listener);
  Task<> serve(Fd connection);
  void changed(std::int64_t by);

  Service& service_;
  const Settings& settings_;
  Workers& workers_;
  config::CommandRow row_;
  bool usable_ = false;
  std::int64_t running_ = 0;
  std::list<Watch> watches_;
  std::function<void()> done_;
  Nursery connections_;
};

}  // namespace postern::local
