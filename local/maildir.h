// Puts a message into a Maildir: a new file below tmp/, synced, which then
// appears in new/ under a name that no other delivery ever has.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "local/content_copy.h"

namespace postern::local {

struct MaildirDelivery {
  std::string path;     // absolute, with or without a slash at its end
  std::string headers;  // complete lines
  Content content;
  std::int64_t size_limit = 0;  // of the message's file in bytes; 0: none
};

// Missing directories are made (0700).
Status store_maildir(const MaildirDelivery& delivery);

}  // namespace postern::local
