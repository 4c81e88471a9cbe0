// One parameter of main.conf, as a row of the table in parameters/*.h.
// Next: parameters/*.h, then table.h.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace postern::config {

enum class Kind : std::uint8_t {
  text,      // $names are expanded
  list,      // text that is read as a list of words
  path,      // text that names a file or directory
  raw,       // text that its reader expands, with names of its own
  boolean,   // yes or no
  integer,   // decimal, within least and most
  duration,  // with unit s, m, h, d or w; the default's unit if none is given
};

struct Row {
  std::string_view name;
  Kind kind = Kind::text;
  std::string_view initial;  // the value when none is set, unexpanded
  std::string_view purpose;  // one line for the manual
  // Of integers (as they are) and durations (in seconds), both inclusive.
  std::int64_t least = 0;
  std::int64_t most = 0;
};

inline constexpr std::int64_t unlimited =
    std::numeric_limits<std::int64_t>::max();

consteval Row text(std::string_view name, std::string_view initial,
                   std::string_view purpose) {
  return {name, Kind::text, initial, purpose};
}
consteval Row list(std::string_view name, std::string_view initial,
                   std::string_view purpose) {
  return {name, Kind::list, initial, purpose};
}
consteval Row path(std::string_view name, std::string_view initial,
                   std::string_view purpose) {
  return {name, Kind::path, initial, purpose};
}
consteval Row raw(std::string_view name, std::string_view initial,
                  std::string_view purpose) {
  return {name, Kind::raw, initial, purpose};
}
consteval Row boolean(std::string_view name, std::string_view initial,
                      std::string_view purpose) {
  return {name, Kind::boolean, initial, purpose};
}
consteval Row integer(std::string_view name, std::string_view initial,
                      std::string_view purpose, std::int64_t least = 0,
                      std::int64_t most = unlimited) {
  return {name, Kind::integer, initial, purpose, least, most};
}
consteval Row duration(std::string_view name, std::string_view initial,
                       std::string_view purpose, std::int64_t least = 0,
                       std::int64_t most = unlimited) {
  return {name, Kind::duration, initial, purpose, least, most};
}

// The unit that a number without unit has: the letter at the end of the
// initial value, seconds when there is none.
constexpr char default_unit(std::string_view initial) {
  if (initial.empty()) return 's';
  switch (initial.back()) {
    case 'm': case 'h': case 'd': case 'w': return initial.back();
    default: return 's';
  }
}

}  // namespace postern::config
