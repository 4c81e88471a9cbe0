// The $names that forward_path, command_execution_directory and luser_relay
// may use: parts of the recipient's address, and of its user's entry in the
// user database.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"

namespace postern::local {

struct NameValues {
  ipc::RecipientNames recipient;
  std::string home;   // "" none
  std::string shell;  // "" none
};

struct Expanded {
  std::string text;
  bool complete = true;         // no name without value was asked for
  bool extension_used = false;  // $extension was
};

// `filter`: the characters that may stay in values, others become "_"; none:
// all may. Values are never expanded again. Trouble: syntax of the text.
Result<Expanded> expand_names(const std::string& text, const NameValues& values,
                              const std::optional<std::string>& filter);

// `value` with "_" for each character that is not in `filter`.
std::string filtered(std::string value, const std::string& filter);

}  // namespace postern::local
