// postconf's view of master.conf: entries (-M), fields (-F) and the -o
// settings of services (-P).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/service/tool.h"
#include "tools/postconf_print.h"

namespace postern::postconf {

inline constexpr std::array<std::string_view, 8> field_names = {
    "service", "type",          "private", "unprivileged", "chroot",
    "wakeup",  "process_limit", "command"};

// An entry as words: options in the form `-o name=value`, with braces where the
// value has white space.
struct Entry {
  std::vector<std::string> fields;  // eight
  std::vector<std::string> arguments;

  std::string name() const { return fields[0] + "/" + fields[1]; }
  // "smtpd -o a=b"
  std::string command() const;
};

struct EntryProblem {
  bool bad_count = false;
  std::string text;
};
// Trouble's text is "bad field count" or `invalid private field "q" in "…"`.
Result<Entry> parse_entry(std::string_view line);
// Checks one field's new value, as parse_entry does.
Status check_field(std::size_t field, std::string_view value,
                   std::string_view context);

// Words of a command line; `-oname=value` becomes two of them.
std::vector<std::string> normal_arguments(std::vector<std::string> words);

// An `-o` argument's parts, or nullptr-like emptiness when `i` is none.
struct Option {
  std::size_t at = 0;  // position of "-o" in the arguments
  std::string name;
  std::string value;
};
std::vector<Option> options_of(const std::vector<std::string>& arguments);
std::string option_word(std::string_view name, std::string_view value);

// `smtp`, `smtp/inet`, `*/inet`, `smtp/inet/chroot`: parts that are left out
// or `*` fit all.
struct Pattern {
  std::vector<std::string> parts;
  bool fits(std::size_t part, std::string_view text) const;
  bool fits(const Entry& entry) const {
    return fits(0, entry.fields[0]) && fits(1, entry.fields[1]);
  }
};
Pattern parse_pattern(std::string_view text);

enum class MasterView { entries, fields, parameters };  // -M, -F, -P

struct MasterRequest {
  MasterView view = MasterView::entries;
  bool expand = false;
  Style style;
  std::vector<std::string> patterns;  // none: all
};

// The entries of a table's text. Fatal for one that cannot be.
std::vector<Entry> read_entries(const Tool& tool, std::string_view content,
                                const std::string& file);

void show_master(const Tool& tool, const config::Config& config,
                 const std::vector<Entry>& entries,
                 const MasterRequest& request);

}  // namespace postern::postconf
