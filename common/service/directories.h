// Making and judging the directories of places.h.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"

namespace postern {

// A directory as it is to be. Ids of -1: whoever starts the suite.
struct WantedDirectory {
  std::string path;
  uid_t owner;
  gid_t group;
  mode_t mode;
  std::string owner_name;  // for messages
  std::string group_name;
};

// Those of queue_directory and data_directory. As root, owners come from the
// user database (Trouble: mail_owner or setgid_group is missing); otherwise
// everything is the caller's.
Result<std::vector<WantedDirectory>> wanted_directories(
    const config::Config& config, bool as_root);

// Makes the one that is missing, with its owner and mode. True: was made.
Result<bool> make_if_missing(const WantedDirectory& wanted);
// What is wrong with an existing one, a sentence each; empty when all is well.
std::vector<std::string> judge(const WantedDirectory& wanted);
// Gives it its owner, group and mode.
Status repair(const WantedDirectory& wanted);

}  // namespace postern
