// How postconf writes settings and service entries.
// Next: postconf_main.h, postconf_master.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::postconf {

struct Style {
  bool fold = false;        // -f: lines of at most 80 columns
  bool hide_names = false;  // -h
  bool hide_values = false; // -H
};

// "NAME = VALUE" and a line end; runs of white space become one space.
std::string setting_text(const Style& style, std::string_view name,
                         std::string_view value);

// One service entry: fields in columns, then arguments. Folded, each `-o`
// begins a line.
std::string entry_text(bool fold, const std::vector<std::string>& fields,
                       const std::vector<std::string>& arguments);

}  // namespace postern::postconf
