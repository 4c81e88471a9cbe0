// The expression of postqueue --where, and lines of the listing.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tools/queue_filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::tools;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Queued message;
  message.queue = "deferred";
  message.sender = "a@b";
  message.recipients = {{"c@d", "why"}};
  if (const auto other = queued_from(text)) message = *other;
  FilterError error;
  const auto filter = QueueFilter::parse(text, error);
  if (filter) {
    (void)filter->matches(message, 1000);
  } else {
    if (error.text.empty() || error.at > size) std::abort();
    if (shown(text, error).empty()) std::abort();
  }
  return 0;
}
