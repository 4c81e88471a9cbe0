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
};

Status store_mbox(const MboxDelivery& delivery);

}  // namespace postern::local
