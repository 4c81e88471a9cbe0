#include "common/config/main_file.h"

#include <fmt/core.h>

#include <map>

#include "common/base/text.h"
#include "common/config/lines.h"
#include "common/os/files.h"

namespace postern::config {
namespace {

std::string present(const std::string& directory, const char* own,
                    const char* foreign) {
  std::string first = directory + "/" + own;
  std::string second = directory + "/" + foreign;
  return !os::exists(first) && os::exists(second) ? second : first;
}

Trouble trouble(std::string text) { return give_up("3.5", std::move(text)); }

}  // namespace

Result<NameValue> parse_assignment(std::string_view text) {
  std::string_view visible = trim_left(text);
  std::size_t end = 0;
  while (end < visible.size() && !is_space(visible[end]) &&
         visible[end] != '=')
    ++end;
  std::string_view rest = trim_left(visible.substr(end));
  if (rest.empty() || rest.front() != '=')
    return trouble(fmt::format("missing '=' after attribute name: \"{}\"",
                               text));
  if (end == 0)
    return trouble(fmt::format("missing attribute name: \"{}\"", text));
  return NameValue{std::string(visible.substr(0, end)),
                   std::string(trim(rest.substr(1)))};
}

Result<MainFile> parse_main(std::string_view content,
                            const std::string& file) {
  MainFile main;
  std::map<std::string, std::string> seen;
  for (const LogicalLine& line : logical_lines(content)) {
    if (line.stray) {
      main.warnings.push_back(fmt::format(
          "{}: logical line must not start with whitespace: \"{}\"", file,
          line.text.size() > 30 ? line.text.substr(0, 30) + "..."
                                : line.text));
      continue;
    }
    Result<NameValue> pair = parse_assignment(line.text);
    if (!pair)
      return trouble(fmt::format("{}, line {}: {}", file, line.first,
                                 pair.trouble().text));
    auto [old, fresh] = seen.try_emplace(pair->name, pair->value);
    if (!fresh && old->second != pair->value) {
      main.warnings.push_back(
          fmt::format("{}, line {}: overriding earlier entry: {}={}", file,
                      line.first, pair->name, old->second));
      old->second = pair->value;
    }
    main.settings.push_back({std::move(pair->name), std::move(pair->value),
                             Origin{file, line.first}});
  }
  return main;
}

std::string main_path(const std::string& directory) {
  return present(directory, "main.conf", "main.cf");
}

std::string master_path(const std::string& directory) {
  return present(directory, "master.conf", "master.cf");
}

}  // namespace postern::config
