// The right-hand side of an alias (aliases(5)), or a line of a forwarding file:
// who or what the mail is for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::local {

struct Destination {
  enum class Kind {
    address,  // internal form, as it stands there: perhaps without domain
    user,     // "\user": this user, no more aliases
    command,  // after the "|"
    file,     // absolute path
    include,  // path after ":include:"
  };
  Kind kind = Kind::address;
  std::string text;

  friend bool operator==(const Destination&, const Destination&) = default;
};

// Members are separated by commas or, for addresses, blanks; what has blanks
// of its own stands in double quotes. What cannot be understood is left out.
std::vector<Destination> parse_destinations(std::string_view text);

// The lines of a forwarding or :include: file, each the right-hand side of an
// alias; one that begins with "#" is a comment.
std::vector<Destination> parse_list(std::string_view text);

}  // namespace postern::local
