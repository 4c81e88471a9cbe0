#include "smtp/tls_level.h"

#include <utility>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

constexpr std::pair<TlsLevel, std::string_view> level_names[] = {
    {TlsLevel::none, "none"},
    {TlsLevel::may, "may"},
    {TlsLevel::encrypt, "encrypt"},
    {TlsLevel::fingerprint, "fingerprint"},
    {TlsLevel::half_dane, "half-dane"},
    {TlsLevel::dane, "dane"},
    {TlsLevel::dane_only, "dane-only"},
    {TlsLevel::verify, "verify"},
    {TlsLevel::secure, "secure"},
};

}  // namespace

std::optional<TlsLevel> parse_tls_level(std::string_view word) {
  for (const auto& [level, name] : level_names)
    if (equal_nocase(name, word) && level != TlsLevel::half_dane) return level;
  return std::nullopt;
}

std::string_view name_of(TlsLevel level) {
  for (const auto& [value, name] : level_names)
    if (value == level) return name;
  return "";
}

}  // namespace postern::smtp
