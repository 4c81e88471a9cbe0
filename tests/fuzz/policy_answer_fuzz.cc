// Answers of policy services, in pieces, and lines of the verification cache.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/access/policy.h"
#include "common/access/verification.h"
#include "common/base/panic.h"

using namespace postern;
using namespace postern::access;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The same however the bytes come.
  PolicyAnswer whole, pieces;
  std::size_t used = 0;
  const PolicyAnswer::Step step = whole.feed(text, used);
  require(used <= size, "no more is used than is there");
  PolicyAnswer::Step last = PolicyAnswer::Step::more;
  std::size_t total = 0;
  for (std::size_t at = 0;
       at < size && last == PolicyAnswer::Step::more; at += 3) {
    last = pieces.feed(text.substr(at, 3), used);
    total += used;
  }
  require(last == step, "pieces end as the whole does");
  require(pieces.action() == whole.action(), "and say the same");
  require(whole.action().find('\n') == std::string::npos, "in one line");
  const auto entry = Verification::from_line(text);
  if (entry) require(Verification::from_line(entry->line()) == entry,
                     "a line survives");
  return 0;
}
