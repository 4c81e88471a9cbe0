// Replies of remote servers.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/status.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ReplyParser parser;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    (void)soften_reply(line);
    (void)split_status(line, "5.0.0");
    if (parser.feed(line) != ReplyParser::Step::done) continue;
    const ParsedReply reply = parser.take();
    require(reply.code >= 100 && reply.code <= 999, "a reply has a code");
    require(reply.status.empty() || valid_status(reply.status),
            "a status is valid or none");
    (void)reply.last_text();
  }
  return 0;
}
