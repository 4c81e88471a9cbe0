// Message content as local and its workers read it: the Delivered-To headers
// of its head, and its lines on their way into an mbox.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/panic.h"
#include "local/content_copy.h"
#include "local/delivered_to.h"

using namespace postern;
using namespace postern::local;

namespace {

std::string quoted(std::string_view text, std::size_t piece) {
  FromQuoter quoter;
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    quoter.feed(text.substr(0, piece), out);
  quoter.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DeliveredTo head = DeliveredTo::parse(text);
  require(!head.contains("never there @ at all"), "found what is not there");
  const std::string whole = quoted(text, text.size() + 1);
  require(whole == quoted(text, 1) && whole == quoted(text, 3),
          "pieces make a difference");
  require(!whole.starts_with("From ") &&
              whole.find("\nFrom ") == std::string::npos,
          "a separator got through");
  require(whole.empty() || whole.back() == '\n', "the last line has no end");
  return 0;
}
