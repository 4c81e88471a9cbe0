#include "common/databases/settings.h"

#include "common/base/text.h"
#include "common/config/main_file.h"
#include "common/config/values.h"
#include "common/os/files.h"

namespace postern::databases {

Result<Settings> Settings::parse(std::string_view content,
                                 const std::string& file) {
  Result<config::MainFile> parsed = config::parse_main(content, file);
  if (!parsed) return parsed.trouble();
  Settings settings;
  settings.title_ = file;
  for (config::Setting& one : parsed->settings)
    settings.values_[one.name] = {std::move(one.value), std::move(one.origin)};
  return settings;
}

Result<Settings> Settings::read(const tables::Spec& spec,
                                const config::Config* main) {
  if (spec.name.starts_with('/') || spec.name.starts_with('.')) {
    Result<std::string> content = os::read_file(spec.name);
    if (!content) return content.trouble();
    return parse(*content, spec.name);
  }
  Settings settings;
  settings.title_ = spec.name;
  settings.prefix_ = spec.name + "_";
  if (main == nullptr) return settings;
  for (const auto& [name, setting] : main->settings()) {
    if (!name.starts_with(settings.prefix_)) continue;
    Result<std::string> value = main->try_expand(setting.value);
    if (!value) return value.trouble();
    settings.values_[name.substr(settings.prefix_.size())] = {
        std::move(*value), setting.origin};
  }
  return settings;
}

const Settings::Value* Settings::find(std::string_view name) const {
  asked_.emplace(name);
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

bool Settings::has(std::string_view name) const {
  return find(name) != nullptr;
}

// "FILE, line 3: ", or "FILE: " when the name is not set.
std::string Settings::place(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr || value->origin.line == 0)
    return prefix_.empty() ? title_ + ": " : "";
  return value->origin.file + ", line " + std::to_string(value->origin.line) +
         ": ";
}

std::string Settings::shown(std::string_view name) const {
  const Value* value = find(name);
  return prefix_ + std::string(name) + " = " + (value ? value->text : "");
}

void Settings::refuse(std::string_view name, const std::string& why) {
  if (status_.ok()) status_ = give_up("3.5", place(name) + why);
}

std::string Settings::text(std::string_view name, std::string_view fallback,
                           std::size_t shortest) {
  const Value* value = find(name);
  std::string text(value ? std::string_view(value->text) : fallback);
  if (text.size() < shortest)
    refuse(name, "bad string length " + std::to_string(text.size()) + " < " +
                     std::to_string(shortest) + ": " + shown(name));
  return text;
}

bool Settings::boolean(std::string_view name, bool fallback) {
  const Value* value = find(name);
  if (value == nullptr) return fallback;
  const auto read = config::parse_boolean(value->text);
  if (!read) refuse(name, "bad boolean configuration: " + shown(name));
  return read.value_or(fallback);
}

std::int64_t Settings::number(std::string_view name, std::int64_t fallback,
                              std::int64_t least, std::int64_t most) {
  const Value* value = find(name);
  if (value == nullptr) return fallback;
  const auto read = parse_number(trim(value->text));
  if (!read) {
    refuse(name, "bad numerical configuration: " + shown(name));
  } else if (*read < least) {
    refuse(name, "invalid " + shown(name) + ": it is below " +
                     std::to_string(least));
  } else if (*read > most) {
    refuse(name, "invalid " + shown(name) + ": it is above " +
                     std::to_string(most));
  }
  return read.value_or(fallback);
}

Status Settings::status() const { return status_; }

void Settings::warn_unused(const tables::Warn& warn) const {
  // In main.conf, another table's name may begin like ours.
  if (!warn || !prefix_.empty()) return;
  for (const auto& [name, value] : values_)
    if (!asked_.contains(name))
      warn(value.origin.file + ", line " + std::to_string(value.origin.line) +
           ": unused parameter: " + name + "=" + value.text);
}

}  // namespace postern::databases
