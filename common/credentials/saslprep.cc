#include "common/credentials/saslprep.h"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "common/base/text.h"
#include "common/credentials/digest.h"

namespace postern::credentials {
namespace {

constexpr auto flags = static_cast<Stringprep_profile_flags>(0);

struct Release {
  void operator()(char* text) const { std::free(text); }
};

}  // namespace

std::optional<std::string> saslprep(std::string_view text) {
  if (text.empty()) return std::nullopt;
  // Nearly all are, and stay what they are.
  if (std::all_of(text.begin(), text.end(), is_print)) return std::string(text);
  // The library takes text of C, and believes that it is UTF-8.
  if (text.find('\0') != std::string_view::npos || !valid_utf8(text))
    return std::nullopt;
  std::string copy(text);
  char* made = nullptr;
  const int code =
      ::stringprep_profile(copy.c_str(), &made, "SASLprep", flags);
  wipe(copy);
  const std::unique_ptr<char, Release> kept(made);
  if (code != STRINGPREP_OK || made == nullptr || *made == '\0')
    return std::nullopt;
  std::string out(made);
  std::fill_n(made, out.size(), '\0');
  return out;
}

std::string prepared(std::string_view text) {
  return saslprep(text).value_or(std::string(text));
}

std::string name_key(std::string_view name) {
  return to_lower(prepared(name));
}

}  // namespace postern::credentials
