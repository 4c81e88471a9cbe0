// What postsuper does to the queue: to messages by id, to all of them, and to
// the order of the files. Everything is told to the log as it is done.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "common/queue/spool.h"
#include "common/service/tool.h"
#include "tools/queue_filter.h"

namespace postern::tools {

enum class Deed { remove, expire, expire_and_release, hold, release, requeue };

class QueueKeeper {
 public:
  // `dry_run`: what would be done is told, and nothing done.
  QueueKeeper(const Tool& tool, queue::SpoolOptions options, bool verbose,
              bool dry_run = false)
      : tool_(tool),
        spool_(std::move(options)),
        verbose_(verbose),
        dry_run_(dry_run) {}

  // The boxes that a deed looks into unless told otherwise.
  static std::vector<queue::Box> usual_boxes(Deed deed);

  // The message, if it is in one of the boxes.
  void one(Deed deed, const std::string& id,
           const std::vector<queue::Box>& boxes);
  // Every message of the boxes.
  void all(Deed deed, const std::vector<queue::Box>& boxes);
  // Those of them that a filter matches, each told of.
  void where(Deed deed, const std::vector<queue::Box>& boxes,
             const QueueFilter& filter);

  // -p: files that their writers left unfinished.
  void purge();
  // -s: each file where its name says that it is looked for. `rename`: a file
  // whose name does not hold its inode (it came from a backup) gets one that
  // does, so that no new message can get its name; `long_names`: those of
  // long ids too.
  void put_in_order(bool rename, bool long_names);

  // "Deleted: 2 messages", for the deeds that were asked for.
  void report(const std::vector<Deed>& asked) const;

 private:
  void each(const std::vector<queue::Box>& boxes,
            const std::function<void(queue::Box, const std::string&)>& found);
  bool act(Deed deed, queue::Box box, const std::string& id, bool tell);
  bool did(Deed deed, const std::string& id, bool tell);
  bool moved(const std::string& id, queue::Box from, queue::Box to);
  void order_directory(queue::Box box, const std::string& directory, int depth,
                       bool rename, bool long_names);
  void order_file(queue::Box box, const std::string& path,
                  const std::string& name, bool rename, bool long_names);

  const Tool& tool_;
  queue::Spool spool_;
  bool verbose_;
  bool dry_run_;
  std::int64_t counts_[6] = {};  // by Deed; expire counts both kinds
  std::int64_t renamed_ = 0;
};

}  // namespace postern::tools
