#include "common/tables/maps.h"

#include "common/base/text.h"

namespace postern::tables {

Result<std::vector<std::string>> split_table_names(std::string_view text) {
  auto names = split_braced(text);
  if (!names)
    return try_later("3.5", "missing '}' in \"" + std::string(text) + "\"");
  return std::move(*names);
}

Result<Maps> Maps::parse(std::string title, std::string_view text,
                         const OpenOptions& options) {
  Result<std::vector<std::string>> names = split_table_names(text);
  if (!names) return try_later("3.5", title + ": " + names.trouble().text);
  Maps maps;
  maps.title_ = std::move(title);
  for (const std::string& name : *names)
    maps.tables_.push_back(open_or_unavailable(name, options));
  return maps;
}

Found Maps::find(std::string_view key, bool partial) {
  answered_by_.clear();
  // A key of nothing matches nothing: keeps "static:" from catching it.
  if (key.empty()) return std::optional<std::string>();
  for (const auto& table : tables_) {
    if (partial && !table->fixed_keys()) continue;
    Found found = table->find(key);
    if (found && !*found) continue;
    answered_by_ = table->name();
    if (!found)
      return Trouble{found.trouble().lasting, found.trouble().detail,
                     table->name() + " lookup error for \"" +
                         printable_utf8(key) + "\": " + found.trouble().text};
    // An empty value would mean "yes" to some and "no" to others.
    if ((*found)->empty())
      return try_later("3.0", table->name() + " lookup of " +
                                  printable_utf8(key) +
                                  " returns an empty string result");
    return found;
  }
  return std::optional<std::string>();
}

}  // namespace postern::tables
