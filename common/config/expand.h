// Replacing $names in values (postconf(5), "The general format of the
// main.cf file"):
//   $name ${name} $(name)    the value of name, itself expanded
//   ${name?text} ${name:text}            text if the value is (not) non-empty
//   ${name?{text}:{other}}
//   ${{a} op {b} ? {text} : {other}}     op: == != < <= >= >, numeric when
//                          both sides are digits; with suffix `level` the
//                          sides are compatibility levels
//   $$                       a dollar
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::config {

// Where expand() finds the values of names.
class Names {
 public:
  virtual ~Names() = default;
  // The value of `name` before expansion; nullopt when there is none.
  virtual std::optional<std::string> find(std::string_view name) const = 0;
  // Told of each name without value that the text asks for.
  virtual void undefined(std::string_view name) const { (void)name; }
};

// Trouble (permanent, detail 3.5) has the words of Postfix's warning, such as
// `unreasonable macro call nesting: "mydomain"`. Names without value expand to
// nothing. A result of more than 16 MiB is Trouble too.
Result<std::string> expand(std::string_view text, const Names& names);

// -1, 0, 1 as in strcmp for two compatibility levels (MAJOR[.MINOR[.PATCH]]);
// Trouble when one of them is not a level.
Result<int> compare_levels(std::string_view a, std::string_view b);

}  // namespace postern::config
