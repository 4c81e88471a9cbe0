#include "common/mail/verp.h"

#include "common/mail/address.h"

namespace postern::mail {

std::string verp_complaint(std::string_view delimiters,
                           std::string_view allowed) {
  if (delimiters.size() != 2) return "need two delimiter characters";
  if (delimiters.find_first_not_of(allowed) != std::string_view::npos)
    return "bad VERP delimiter character";
  return "";
}

std::string verp_sender(std::string_view sender, std::string_view delimiters,
                        std::string_view recipient) {
  if (sender.empty() || delimiters.size() != 2) return std::string(sender);
  const auto from = split_address(sender);
  const auto to = split_address(recipient);
  std::string out(from.local);
  out += delimiters[0];
  out += to.local;
  if (!to.domain.empty()) {
    out += delimiters[1];
    out += to.domain;
  }
  if (!from.domain.empty()) {
    out += '@';
    out += from.domain;
  }
  return out;
}

}  // namespace postern::mail
