// A table that somebody else answers, so that an answer may take long: a few
// threads wait for it, each with a table object, and so a connection, of its
// own. A table whose server is slow or dead keeps its own threads busy and
// nobody else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/tables/table.h"
#include "lookup/helper_thread.h"

namespace postern::lookup {

class SlowTable {
 public:
  struct Options {
    // Used by threads: everything in it must bear that. `warn` is replaced.
    tables::OpenOptions open;
    // Hears the table's warnings, in the loop's thread.
    std::function<void(const std::string&)> warn;
    std::size_t threads = 8;
    // More questions than that do not wait: they fail at once.
    std::size_t most_waiting = 5000;
    // Shorter than what those who ask lookup wait.
    Millis limit = Seconds(90);
    // Connections that nobody needed for so long are closed.
    Seconds idle = Seconds(60);
    // What did not open is not tried again for so long, and a changed file of
    // parameters is noticed after so long.
    Seconds retry = Seconds(1);
  };
  // `name` without "proxy:".
  SlowTable(std::string name, Options options);
  SlowTable(const SlowTable&) = delete;
  SlowTable& operator=(const SlowTable&) = delete;

  // Trouble: the table could not say, or not in time.
  Task<tables::Found> find(std::string key);

  // Threads that are at work: on questions that somebody waits for or not.
  std::size_t busy() { return helper_.running(); }

 private:
  class Instances;
  struct Reply {
    tables::Found found;
    std::vector<std::string> warnings;
  };
  void close_unused();

  std::string name_;
  Options options_;
  std::shared_ptr<Instances> instances_;
  Timer unused_;
  HelperThread helper_;  // goes first: its jobs use the instances
};

}  // namespace postern::lookup
