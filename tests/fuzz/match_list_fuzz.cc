// Lists of patterns, and the names of tables in them. First line: the name
// and the address to match.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/tables/maps.h"
#include "common/tables/match_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::tables;
  std::string text(reinterpret_cast<const char*>(data), size);
  // No pattern shall name a file.
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '/' && (i == 0 || text[i - 1] != ']') &&
        (i == 0 || text[i - 1] < '0' || text[i - 1] > '9'))
      text[i] = '_';
  const std::string subject = text.substr(0, text.find('\n'));
  const std::string list_text =
      text.substr(std::min(text.size(), subject.size() + 1));
  for (const auto kind :
       {MatchOptions::Kind::strings, MatchOptions::Kind::domains,
        MatchOptions::Kind::addresses}) {
    MatchOptions options;
    options.kind = kind;
    options.parents = size % 2 == 0;
    MatchList list = MatchList::parse(list_text, options);
    MatchList::Walk walk(list, subject, subject);
    for (;;) {
      const auto question = walk.next();
      if (!question || !*question) break;
      walk.answer((*question)->key.size() % 3 == 0);
    }
  }
  (void)split_table_names(list_text);
  return 0;
}
