// Appends a message to an mbox file (RFC 4155): a From_ line, the message, an
// empty line. Either all of it is there and synced, or the file is as it was.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "local/content_copy.h"
#include "common/os/mailbox_lock.h"

namespace postern::local {

struct MboxDelivery {
  std::string path;       // absolute
  std::string separator;  // the From_ line without its end
  std::string headers;    // complete lines
  Content content;
  os::LockRules locks;
  std::int64_t size_limit = 0;   // of the whole file in bytes; 0: none
  bool strict_ownership = true;  // it belongs to the user of this process
  // A file that an alias or forwarding file names: a lock file beside it may
  // fail to be made, and what cannot be opened is returned to the sender.
  bool plain_file = false;
};

struct Stored {
  std::int64_t offset = 0;  // where the message begins
  std::string warning;      // "": none
};

Result<Stored> store_mbox(const MboxDelivery& delivery);

}  // namespace postern::local
