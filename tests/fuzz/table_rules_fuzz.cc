// Rule tables: cidr, pcre and regexp. First line: the key to look up.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/tables/openers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::tables;
  // Patterns are the administrator's: how long a huge one takes to compile is
  // not the question here.
  if (size > 400) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string key(text.substr(0, text.find('\n')));
  text.remove_prefix(std::min(text.size(), key.size() + 1));
  OpenOptions options;
  options.warn = [](std::string_view) {};
  const auto ask = [&](Opened opened) {
    if (opened) (void)(*opened)->find(key);
  };
  ask(cidr_from_text({Kind::cidr, "cidr", "x"}, text, options));
  ask(pcre_from_text({Kind::pcre, "pcre", "x"}, text, options));
  // Counted repeats of counted repeats take the C library minutes.
  if (text.find('{') == std::string_view::npos)
    ask(regexp_from_text({Kind::regexp, "regexp", "x"}, text, options));
  return 0;
}
