// What servers say they can do.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "smtp/extensions.h"

using namespace postern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  mail::ReplyParser parser;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    if (parser.feed(line) != mail::ReplyParser::Step::done) continue;
    const mail::ParsedReply reply = parser.take();
    const smtp::Features all = smtp::parse_features(reply, {});
    require(all.size_limit >= 0, "a size limit is not negative");
    const smtp::Features fewer =
        smtp::parse_features(reply, {"size", "pipelining"});
    require(!fewer.size && fewer.size_limit == 0 && !fewer.pipelining,
            "discarded keywords are not heard");
    require(smtp::announced_name(reply).find(' ') == std::string::npos,
            "a name is one word");
  }
  return 0;
}
