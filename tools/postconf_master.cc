#include "tools/postconf_master.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/config/lines.h"
#include "common/config/master_table.h"
#include "tools/postconf_main.h"

namespace postern::postconf {
namespace {

constexpr std::string_view types[] = {"inet", "unix", "fifo", "pass",
                                      "unix-dgram"};

bool is_number(std::string_view text) {
  auto number = parse_number(text);
  return number && *number >= 0;
}

bool acceptable(std::size_t field, std::string_view value) {
  switch (field) {
    case 1:
      return std::find(std::begin(types), std::end(types), value) !=
             std::end(types);
    case 2: case 3: case 4:
      return value == "-" || value == "y" || value == "n";
    case 5:
      if (value.ends_with('?')) value.remove_suffix(1);
      return value == "-" || is_number(value);
    case 6: return value == "-" || is_number(value);
    default: return !value.empty();
  }
}

bool has_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_space);
}

// `-o` values with their names replaced by what they are for this service.
Entry expanded_entry(const Tool& tool, const config::Config& config,
                     Entry entry) {
  config::NameValues own;
  for (const Option& one : options_of(entry.arguments))
    own.emplace_back(one.name, one.value);
  own.emplace_back("service_name", entry.fields[0]);
  config::Config whole = config.with_overrides(own);
  for (const Option& one : options_of(entry.arguments))
    entry.arguments[one.at + 1] =
        option_word(one.name, expanded(tool, whole, one.value));
  return entry;
}

// True when something was shown.
bool show_fields(const Entry& entry, const Pattern& pattern,
                 const Style& style) {
  bool shown = false;
  for (std::size_t i = 0; i < field_names.size(); ++i) {
    if (!pattern.fits(2, field_names[i])) continue;
    std::string value = i == 7 ? entry.command() : entry.fields[i];
    std::string name = fmt::format("{}/{}", entry.name(), field_names[i]);
    std::string text = setting_text(style, name, value);
    std::fputs(text.c_str(), stdout);
    shown = true;
  }
  return shown;
}

bool show_parameters(const Entry& entry, const Pattern& pattern,
                     const Style& style) {
  std::vector<Option> options = options_of(entry.arguments);
  std::stable_sort(options.begin(), options.end(),
                   [](auto& a, auto& b) { return a.name < b.name; });
  bool shown = false;
  for (std::size_t i = 0; i < options.size(); ++i) {
    // Of an option given twice, the later one counts.
    if (i + 1 < options.size() && options[i + 1].name == options[i].name)
      continue;
    if (!pattern.fits(2, options[i].name)) continue;
    std::string text = setting_text(
        style, entry.name() + "/" + options[i].name, options[i].value);
    std::fputs(text.c_str(), stdout);
    shown = true;
  }
  return shown;
}

bool show_entry(const Entry& entry, const Style& style) {
  std::string text = entry_text(style.fold, entry.fields, entry.arguments);
  std::fputs(text.c_str(), stdout);
  return true;
}

void check_pattern(const Tool& tool, const Pattern& pattern,
                   MasterView view) {
  if (view == MasterView::entries && pattern.parts.size() > 2)
    tool.fatal("-M option requires service_name[/type]");
  if (view == MasterView::entries || pattern.parts.size() < 3) return;
  if (pattern.parts.size() > 3)
    tool.fatal(view == MasterView::fields
                   ? "-F option requires service_name[/type[/field]]"
                   : "-P option requires service_name[/type[/parameter]]");
  const std::string& part = pattern.parts[2];
  if (view == MasterView::fields && part != "*" &&
      std::find(field_names.begin(), field_names.end(), part) ==
          field_names.end())
    tool.fatal(
        fmt::format("invalid service attribute name: \"{}\"", part));
}

}  // namespace

std::string Entry::command() const {
  std::string text = fields[7];
  for (const std::string& word : arguments) text += " " + word;
  return text;
}

std::string option_word(std::string_view name, std::string_view value) {
  std::string word = fmt::format("{}={}", name, value);
  return has_space(word) ? "{" + word + "}" : word;
}

std::vector<std::string> normal_arguments(std::vector<std::string> words) {
  std::vector<std::string> normal;
  bool options = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    if (!options || !word.starts_with('-')) options = false;
    if (!options || !word.starts_with("-o")) {
      normal.push_back(std::move(word));
      continue;
    }
    std::string argument = word.substr(2);
    if (argument.empty() && i + 1 < words.size()) argument = words[++i];
    normal.push_back("-o");
    if (argument.empty()) continue;
    bool braced = argument.starts_with('{');
    auto pair = config::parse_override(argument);
    normal.push_back(braced && pair ? option_word(pair->name, pair->value)
                                    : argument);
  }
  return normal;
}

std::vector<Option> options_of(const std::vector<std::string>& arguments) {
  std::vector<Option> found;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].starts_with('-')) break;
    if (arguments[i] != "-o" || i + 1 >= arguments.size()) continue;
    auto pair = config::parse_override(arguments[i + 1]);
    if (pair) found.push_back({i, pair->name, pair->value});
    ++i;
  }
  return found;
}

Status check_field(std::size_t field, std::string_view value,
                   std::string_view context) {
  if (acceptable(field, value)) return {};
  return give_up("3.5", fmt::format("invalid {} field \"{}\" in \"{}\"",
                                    field_names[field], value, context));
}

Result<Entry> parse_entry(std::string_view line) {
  Entry entry;
  std::vector<std::string> words;
  for (config::Word& word : config::master_words(line)) {
    if (entry.fields.size() < field_names.size())
      entry.fields.push_back(std::move(word.text));
    else
      words.push_back(std::move(word.text));
  }
  if (entry.fields.size() < field_names.size())
    return give_up("3.5", "bad field count");
  for (std::size_t i = 0; i < field_names.size(); ++i) {
    Status status = check_field(i, entry.fields[i], line);
    if (!status) return status.trouble();
  }
  entry.arguments = normal_arguments(std::move(words));
  return entry;
}

bool Pattern::fits(std::size_t part, std::string_view text) const {
  return part >= parts.size() || parts[part] == "*" || parts[part] == text;
}

Pattern parse_pattern(std::string_view text) {
  return {split(text, '/')};
}

std::vector<Entry> read_entries(const Tool& tool, std::string_view content,
                                const std::string& file) {
  std::vector<Entry> entries;
  for (const config::LogicalLine& line : config::logical_lines(content)) {
    if (line.stray) {
      tool.warning(fmt::format(
          "{}: logical line must not start with whitespace: \"{}\"", file,
          line.text.size() > 30 ? line.text.substr(0, 30) + "..."
                                : line.text));
      continue;
    }
    Result<Entry> entry = parse_entry(line.text);
    if (entry) {
      entries.push_back(std::move(*entry));
      continue;
    }
    if (entry.trouble().text == "bad field count")
      tool.fatal(fmt::format("file {}: line {}: bad field count", file,
                             line.first));
    tool.fatal(entry.trouble().text);
  }
  return entries;
}

void show_master(const Tool& tool, const config::Config& config,
                 const std::vector<Entry>& entries,
                 const MasterRequest& request) {
  std::vector<Pattern> patterns;
  for (const std::string& text : request.patterns)
    patterns.push_back(parse_pattern(text));
  for (const Pattern& pattern : patterns)
    check_pattern(tool, pattern, request.view);
  if (patterns.empty()) patterns.push_back({});
  std::vector<bool> matched(patterns.size());
  for (const Entry& original : entries) {
    Entry entry = request.expand ? expanded_entry(tool, config, original)
                                 : original;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!patterns[i].fits(entry)) continue;
      bool shown =
          request.view == MasterView::entries
              ? show_entry(entry, request.style)
          : request.view == MasterView::fields
              ? show_fields(entry, patterns[i], request.style)
              : show_parameters(entry, patterns[i], request.style);
      if (shown) matched[i] = true;
      if (shown && request.view == MasterView::entries) break;
    }
  }
  for (std::size_t i = 0; i < request.patterns.size(); ++i)
    if (!matched[i])
      tool.warning(
          fmt::format("unmatched request: \"{}\"", request.patterns[i]));
}

}  // namespace postern::postconf
