// Names and passwords that people write in more than one way: the form in which
// they are compared and made keys of (SASLprep, RFC 4013, which RFC 5802 asks
// for).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::credentials {

// Mapped, normalised (NFKC of Unicode 3.2) and checked for characters and
// directions that are forbidden. nullopt: it cannot be prepared, or nothing
// would be left. Characters that Unicode 3.2 does not know pass as they are, in
// what is stored too (decision 23).
std::optional<std::string> saslprep(std::string_view text);

// The prepared text, or the bytes as they are where that cannot be: a password
// that another program took goes on working where it did.
std::string prepared(std::string_view text);

// As `prepared`, in lower case (ASCII): one for all ways to write a user's name.
std::string name_key(std::string_view name);

}  // namespace postern::credentials
