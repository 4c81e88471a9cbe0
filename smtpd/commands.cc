#include "smtpd/commands.h"

#include "common/base/text.h"

namespace postern::smtpd {

const Command& find_command(std::string_view word) {
  for (const Command& command : commands)
    if (command.verb != Verb::unknown && equal_nocase(command.name, word))
      return command;
  return commands[verb_count - 1];
}

}  // namespace postern::smtpd
