// The tables that this process serves: opened when first asked for, kept open,
// opened again later where that failed. Files answer at once; what somebody
// else answers has threads that wait (slow_table.h). Tables named with "proxy:"
// are served when proxy_read_maps lists them (proxymap(8)).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/messages/lookup.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/tables/table.h"
#include "lookup/slow_table.h"

namespace postern::lookup {

class TableCache {
 public:
  // Who complains: the proxymap service about tables that are not approved,
  // lookup about all else.
  enum class Voice { lookup, proxymap };
  using Complain = std::function<void(Voice, const std::string&)>;

  struct Options {
    std::string proxy_read_maps;  // expanded
    bool utf8 = true;             // smtputf8_enable
    // Opens what common/tables does not; used by threads. May be empty.
    decltype(tables::OpenOptions::other) other;
    Complain complain;            // lines for the log, without "warning: "
    // The same complaint about the same table is not repeated for so long.
    Seconds quiet = Seconds(60);
    // What did not open is not tried again for so long.
    Seconds retry = Seconds(1);
  };
  explicit TableCache(Options options);

  // Whether one of the tables may take its time: then ask find_slowly().
  bool slow(const std::string& maps);
  ipc::TableAnswer find(const ipc::TableFind& question, Clock::time_point now);
  Task<ipc::TableAnswer> find_slowly(ipc::TableFind question);

  // How many tables are open; how many threads wait for somebody.
  std::size_t open_tables() const;
  std::size_t busy_threads() const;

 private:
  // A table by its name without "proxy:".
  struct Entry {
    std::unique_ptr<tables::Table> table;  // null: see trouble
    std::shared_ptr<SlowTable> slow;       // instead of table
    std::optional<Trouble> trouble;
    Clock::time_point tried{};
  };
  struct Named {
    std::string name;  // without "proxy:"
    bool proxied = false;
    bool slow = false;
    bool fixed_keys = true;
  };
  using List = std::vector<Named>;

  Result<const List*> list_of(const std::string& maps);
  tables::OpenOptions open_options(const std::string& name);
  Result<std::shared_ptr<SlowTable>> slow_table_of(const Named& named,
                                                   Clock::time_point now);
  Task<tables::Found> ask(Named named, std::string key);
  ipc::TableAnswer failed(const Named& named, const std::string& key,
                          const Trouble& why, Clock::time_point now);
  Result<tables::Table*> table_of(const Named& named, Clock::time_point now);
  Trouble refuse(const std::string& name, Clock::time_point now);
  Trouble unavailable(const std::string& name, const Trouble& why);
  void complain(Voice voice, const std::string& about, const std::string& line,
                Clock::time_point now);

  Options options_;
  std::set<std::string, std::less<>> approved_;
  std::map<std::string, List> lists_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Clock::time_point> complained_;
};

}  // namespace postern::lookup
