// The temporary allow list of the screen in front of smtpd
// (postscreen_cache_map): what clients have passed, by their address, in a file
// that survives restarts and that all smtpd processes share.
// Next: common/access/screen_record.h (what a line says).
#pragma once

#include <functional>

#include "common/ipc/messages/screen.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/tables/cache_file.h"

namespace postern::lookup {

class ScreenCache {
 public:
  // `title` is for the log: "btree:/var/lib/postern/postscreen_cache".
  // `retention`: postscreen_cache_retention_time.
  ScreenCache(tables::CacheFile cache, std::string title, Seconds retention,
              log::Log log);

  ipc::ScreenAnswer find(const ipc::ScreenFind& question);
  ipc::ScreenAnswer keep(const ipc::ScreenKeep& note);

  // Drops what has expired long ago; says how much in the log.
  void clean();

  // Time, for tests: seconds since 1970.
  void set_clock(std::function<std::int64_t()> clock) {
    clock_ = std::move(clock);
  }

 private:
  ipc::ScreenAnswer failed(const Trouble& trouble);

  tables::CacheFile cache_;
  std::string title_;
  Seconds retention_;
  log::Log log_;
  std::function<std::int64_t()> clock_;
};

}  // namespace postern::lookup
