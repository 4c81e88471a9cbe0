// The queue as main.conf has it.
#pragma once

#include "common/config/config.h"
#include "common/queue/spool.h"

namespace postern::tools {

inline queue::SpoolOptions spool_options(const config::Config& config) {
  queue::SpoolOptions options;
  options.directory = config.get<"queue_directory">();
  options.long_ids = config.get<"enable_long_queue_ids">();
  options.hashed = config.get<"hash_queue_names">();
  options.hash_depth = static_cast<int>(config.get<"hash_queue_depth">());
  return options;
}

}  // namespace postern::tools
