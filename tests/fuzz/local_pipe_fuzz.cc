// Rows of pipe, their macros, and what addresses make of them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/config/command_row.h"
#include "local/pipe_macros.h"

using namespace postern;
using namespace postern::local;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // An argument, an address and a row, each on lines of its own.
  const std::vector<std::string> lines = split(text, '\n');
  const auto row = config::CommandRow::parse(lines, "pipe");
  require(!row || row->argv.front().starts_with('/'), "a program has a path");
  const auto argument = PipeArgument::parse(lines.front());
  if (!argument) return 0;
  ipc::DeliverRequest request;
  request.sender = lines.back();
  for (const std::string& each : lines) {
    request.recipients.emplace_back();
    request.recipients.back().address = each;
  }
  for (const char* flags : {"", "hqu"}) {
    std::vector<std::string> words;
    const Status done = argument->expand(
        {flags, "MAILER-DAEMON", "+", true, "double-bounce"}, request, words);
    if (!done) continue;
    require(words.size() == 1 || words.size() == lines.size(),
            "one word, or one per recipient");
    for (const std::string& word : words)
      require(word.find('\0') == std::string::npos ||
                  lines.front().find('\0') != std::string::npos,
              "no zero byte comes from an address");
  }
  return 0;
}
