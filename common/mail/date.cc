// See date.h.
#include "common/mail/date.h"

#include <array>
#include <cstdio>

namespace postern::mail {
namespace {

constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed",
                                             "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr",
                                                "May", "Jun", "Jul", "Aug",
                                                "Sep", "Oct", "Nov", "Dec"};

std::tm local_time(std::time_t when) {
  std::tm broken{};
  localtime_r(&when, &broken);
  return broken;
}

}  // namespace

std::string header_date(std::time_t when) {
  const std::tm t = local_time(when);
  const long minutes = t.tm_gmtoff / 60;
  const long distance = minutes < 0 ? -minutes : minutes;
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(),
                "%s, %d %s %04d %02d:%02d:%02d %c%02ld%02ld (%s)",
                days[static_cast<std::size_t>(t.tm_wday)], t.tm_mday,
                months[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900,
                t.tm_hour, t.tm_min, t.tm_sec, minutes < 0 ? '-' : '+',
                distance / 60, distance % 60, t.tm_zone);
  return text.data();
}

std::string ctime_date(std::time_t when) {
  const std::tm t = local_time(when);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s %s %2d %02d:%02d:%02d %d",
                days[static_cast<std::size_t>(t.tm_wday)],
                months[static_cast<std::size_t>(t.tm_mon)], t.tm_mday,
                t.tm_hour, t.tm_min, t.tm_sec, t.tm_year + 1900);
  return text.data();
}

}  // namespace postern::mail
