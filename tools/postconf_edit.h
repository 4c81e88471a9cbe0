// Changing configuration files in place: comments and the order of entries
// stay, and the file is replaced as a whole, with its owner and mode.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/service/tool.h"
#include "tools/postconf_master.h"

namespace postern::postconf {

enum class EditVerb { set, comment_out, remove };  // -e, -#, -X

// `arguments` are `name=value` for set, names otherwise.
void edit_main(const Tool& tool, const std::string& file, EditVerb verb,
               const std::vector<std::string>& arguments);

// `service/type=entry` for set, `service/type` otherwise.
void edit_entries(const Tool& tool, const std::string& file, EditVerb verb,
                  const std::vector<std::string>& arguments);
// `service/type/field=value`.
void edit_fields(const Tool& tool, const std::string& file,
                 const std::vector<std::string>& arguments);
// `service/type/name=value` for set, `service/type/name` for remove.
void edit_parameters(const Tool& tool, const std::string& file,
                     EditVerb verb,
                     const std::vector<std::string>& arguments);

// A logical line with the comments among its lines, or comments alone.
struct Block {
  struct Line {
    std::string text;  // without line end
    bool comment = false;
  };
  std::vector<Line> lines;
  std::string logical;  // "" when there are comments only
  int number = 1;       // of the first line of the logical line
};
std::vector<Block> blocks_of(std::string_view content);

// The block with `text` (with its line end) in place of the logical line; ""
// takes it out. Comments stay where they are.
std::string with_replaced(const Block& block, std::string_view text);
std::string commented_out(const Block& block);
std::string unchanged(const Block& block);

}  // namespace postern::postconf
