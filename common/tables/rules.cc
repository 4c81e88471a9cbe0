#include "common/tables/rules.h"

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/tables/braces.h"

namespace postern::tables {

Result<std::string> rule_text(const Spec& spec) {
  if (spec.name.front() == '{')
    return braced_rules(spec.name, spec.type + " map");
  return os::read_file(spec.name);
}

bool take_word(std::string_view& line, std::string_view word) {
  if (!starts_with_nocase(line, word)) return false;
  if (line.size() > word.size() && is_alnum(line[word.size()])) return false;
  line = trim_left(line.substr(word.size()));
  return true;
}

}  // namespace postern::tables
