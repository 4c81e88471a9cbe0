// Variable envelope return paths (VERP_README): a sender that tells which
// recipient a bounce is about.
#pragma once

#include <string>
#include <string_view>

namespace postern::mail {

// What is wrong with `delimiters`, or "". `allowed`: verp_delimiter_filter.
std::string verp_complaint(std::string_view delimiters,
                           std::string_view allowed);

// owner-list@here, "+=", user@there: owner-list+user=there@here. The null
// sender, or without two delimiters: the sender as it is.
std::string verp_sender(std::string_view sender, std::string_view delimiters,
                        std::string_view recipient);

}  // namespace postern::mail
