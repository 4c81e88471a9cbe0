// Message content on the wire: however it is cut, the same comes out, and the
// end of the data is where it is.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/panic.h"
#include "smtpd/data_reader.h"

using namespace postern;
using namespace postern::smtpd;

namespace {

struct Read {
  std::string out;
  std::size_t used = 0;
  bool ended = false;
};

Read read(const std::string& input, DataReader::Framing framing, EndRule rule,
          std::size_t step) {
  DataReader reader(framing, rule);
  Read result;
  std::string pending;
  for (std::size_t at = 0; at < input.size() && !reader.ended(); at += step) {
    pending += input.substr(at, step);
    const std::size_t used = reader.feed(pending, result.out);
    require(used <= pending.size(), "no more is used than there is");
    pending.erase(0, used);
    result.used += used;
  }
  if (framing == DataReader::Framing::counted)
    reader.finish(pending, result.out);
  result.ended = reader.ended();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size < 1 || size > 4096) return 0;
  const std::size_t step = 1 + data[0] % 16;
  const std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  for (const EndRule rule : {EndRule::any_newline, EndRule::standard_only}) {
    const Read whole =
        read(input, DataReader::Framing::dot, rule, input.size() + 1);
    const Read cut = read(input, DataReader::Framing::dot, rule, step);
    // What an unfinished message held back may differ, an ended one may not.
    require(whole.ended == cut.ended, "the end does not depend on the cuts");
    if (whole.ended)
      require(whole.out == cut.out, "content does not depend on the cuts");
    if (!whole.ended || rule != EndRule::standard_only) continue;
    const std::string_view upto(input.data(), whole.used);
    require(upto == ".\r\n" || upto.ends_with("\r\n.\r\n"),
            "only CRLF . CRLF ends a message");
  }
  const Read counted = read(input, DataReader::Framing::counted,
                            EndRule::any_newline, input.size() + 1);
  require(counted.out.empty() || counted.out.back() == '\n',
          "counted content ends in a line end");
  return 0;
}
