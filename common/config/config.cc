#include "common/config/config.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "common/base/text.h"
#include "common/config/comment.h"
#include "common/config/obsolete.h"
#include "common/config/own_networks.h"
#include "common/config/service_parameters.h"
#include "common/config/values.h"
#include "common/os/files.h"

namespace postern::config {
namespace {

constexpr const char* home = "/etc/postern";
constexpr std::string_view no_domain = "localdomain";

class ConfigNames : public Names {
 public:
  explicit ConfigNames(const Config& config,
                       std::vector<std::string>* undefined = nullptr)
      : config_(config), undefined_(undefined) {}
  std::optional<std::string> find(std::string_view name) const override {
    return config_.find(name);
  }
  void undefined(std::string_view name) const override {
    if (undefined_) undefined_->emplace_back(name);
  }

 private:
  const Config& config_;
  std::vector<std::string>* undefined_;
};

std::string machine_name() {
  char buffer[HOST_NAME_MAX + 1] = "";
  if (gethostname(buffer, sizeof buffer - 1) != 0) return "localhost";
  return buffer;
}

// An old name whose value counts for `row`, where the row's own initial value
// does not mention it.
const Obsolete* former_name(const Row& row) {
  for (const Obsolete& old : obsolete_names)
    if (old.same_values && old.successor == row.name &&
        row.initial.find(old.name) == std::string_view::npos)
      return &old;
  return nullptr;
}

}  // namespace

Result<Config> Config::load(const std::string& directory) {
  Result<std::string> content = os::read_file(main_path(directory));
  if (!content) return content.trouble();
  return parse(*content, directory);
}

Result<Config> Config::parse(std::string_view content,
                             const std::string& directory) {
  Config config;
  config.directory_ = directory;
  config.file_ = main_path(directory);
  Result<MainFile> main = parse_main(content, config.file_);
  if (!main) return main.trouble();
  config.warnings_ = std::move(main->warnings);
  for (Setting& one : main->settings) {
    const Row* row = find_row(one.name);
    const auto plain = row ? without_comment(*row, one.value) : std::nullopt;
    if (plain) {
      config.warnings_.push_back(fmt::format(
          "{}, line {}: {}: taken as \"{}\", without the comment behind it; "
          "put comments on lines of their own",
          one.origin.file, one.origin.line, one.name, *plain));
      one.value = *plain;
    }
    config.settings_.insert_or_assign(one.name, one);
  }
  config.settings_.insert_or_assign(
      "config_directory",
      Setting{"config_directory", directory, Origin{config.file_, 0}});
  Status origin = config.read_origin_file();
  if (!origin) return origin.trouble();
  return config;
}

// Debian's `myorigin = /etc/mailname`.
Status Config::read_origin_file() {
  auto from = settings_.find("myorigin");
  if (from == settings_.end() || !from->second.value.starts_with('/'))
    return {};
  Result<std::string> name = os::read_file(from->second.value, 4096);
  if (!name) return name.trouble();
  origin_from_file_ = std::string(trim(split(*name, '\n').front()));
  return {};
}

Config Config::from_settings(const std::string& directory,
                             std::vector<Setting> settings) {
  Config config;
  config.directory_ = directory;
  config.file_ = main_path(directory);
  for (Setting& one : settings)
    config.settings_.insert_or_assign(one.name, std::move(one));
  // Who made the snapshot could read it; a value that begins with a slash
  // remains when we cannot.
  (void)config.read_origin_file();
  return config;
}

Config Config::defaults() {
  Config config;
  config.directory_ = home;
  config.file_ = std::string(home) + "/main.conf";
  return config;
}

Config Config::with_overrides(const NameValues& overrides) const {
  Config copy = *this;
  for (const auto& [name, value] : overrides)
    copy.settings_.insert_or_assign(name, Setting{name, value, Origin{}});
  for (const auto& [name, value] : overrides)
    if (name == "myorigin") copy.origin_from_file_.reset();
  return copy;
}

std::optional<std::string> Config::find(std::string_view name) const {
  if (name == "myorigin" && origin_from_file_) return origin_from_file_;
  auto set = settings_.find(name);
  if (set != settings_.end()) return set->second.value;
  if (const Row* row = find_row(name)) {
    if (const Obsolete* old = former_name(*row)) {
      auto former = settings_.find(old->name);
      if (former != settings_.end()) return former->second.value;
    }
    if (auto value = computed(name)) return value;
    return std::string(row->initial);
  }
  if (auto parameter = find_service_parameter(name))
    return std::string(parameter->row->initial);
  return std::nullopt;
}

// Initial values that this machine or process decides.
std::optional<std::string> Config::computed(std::string_view name) const {
  if (name == "myhostname") return host_name();
  if (name == "mydomain") return domain_name();
  if (name == "process_id") return std::to_string(getpid());
  if (name == "process_name") return program_invocation_short_name;
  if (name == "config_directory") return directory_;
  if (name != "mynetworks") return std::nullopt;
  return networks_of(chosen_addresses(interface_addresses(),
                                      text("inet_interfaces"),
                                      text("inet_protocols")),
                     text("mynetworks_style"));
}

std::string Config::host_name() const {
  std::string name = machine_name();
  if (name.find('.') != std::string::npos) return name;
  bool set = settings_.contains("mydomain");
  return name + "." + (set ? "$mydomain" : std::string(no_domain));
}

// As postconf(5) has it: myhostname without its first label. A myhostname that
// itself asks for mydomain gets the machine's.
std::string Config::domain_name() const {
  auto set = settings_.find("myhostname");
  std::string name;
  if (set == settings_.end())
    name = host_name();
  else if (set->second.value.find("mydomain") == std::string::npos)
    name = expand(set->second.value);
  else
    name = machine_name();
  std::size_t dot = name.find('.');
  return dot == std::string::npos ? std::string(no_domain)
                                  : name.substr(dot + 1);
}

Result<std::string> Config::try_expand(std::string_view value) const {
  return config::expand(value, ConfigNames(*this));
}

Result<std::string> Config::try_expand(
    std::string_view value, std::vector<std::string>& undefined) const {
  return config::expand(value, ConfigNames(*this, &undefined));
}

std::string Config::expand(std::string_view value) const {
  Result<std::string> expanded = try_expand(value);
  return expanded ? std::move(*expanded) : std::string();
}

std::string Config::raw(std::string_view name) const {
  return find(name).value_or("");
}

std::string Config::text(std::string_view name) const {
  const Row* row = find_row(name);
  if (row) return text_of(*row);
  return expand(raw(name));
}

// A raw value that is nothing but the name of another raw parameter has that
// one's value: postscreen_reject_footer.
std::string Config::text_of(const Row& row) const {
  std::string value = raw(row.name);
  if (row.kind != Kind::raw) return expand(value);
  if (value.starts_with('$'))
    if (const Row* other = find_row(std::string_view(value).substr(1)))
      if (other->kind == Kind::raw && other != &row) return raw(other->name);
  return value;
}

bool Config::boolean_of(const Row& row) const {
  if (auto value = parse_boolean(expand(raw(row.name)))) return *value;
  return parse_boolean(expand(row.initial)).value_or(false);
}

std::int64_t Config::number_of(const Row& row) const {
  if (auto value = parse_number(expand(raw(row.name)))) return *value;
  return parse_number(expand(row.initial)).value_or(0);
}

std::chrono::seconds Config::duration_of(const Row& row) const {
  char unit = default_unit(row.initial);
  if (auto value = parse_duration(expand(raw(row.name)), unit)) return *value;
  return parse_duration(expand(row.initial), unit)
      .value_or(std::chrono::seconds(0));
}

bool Config::boolean(std::string_view name) const {
  return parse_boolean(text(name)).value_or(false);
}

std::int64_t Config::number(std::string_view name,
                            std::int64_t fallback) const {
  return parse_number(text(name)).value_or(fallback);
}

std::chrono::seconds Config::duration(std::string_view name,
                                      std::chrono::seconds fallback) const {
  const Row* row = find_row(name);
  if (!row)
    if (auto parameter = find_service_parameter(name)) row = parameter->row;
  char unit = row ? default_unit(row->initial) : 's';
  return parse_duration(text(name), unit).value_or(fallback);
}

bool Config::is_set(std::string_view name) const {
  return settings_.contains(name);
}

std::optional<Origin> Config::origin(std::string_view name) const {
  auto set = settings_.find(name);
  if (set == settings_.end()) return std::nullopt;
  return set->second.origin;
}

std::string Config::place(std::string_view name) const {
  auto set = settings_.find(name);
  if (set == settings_.end() || set->second.origin.line == 0) return "";
  return fmt::format(" ({}, line {})", set->second.origin.file,
                     set->second.origin.line);
}

Status Config::check_row(const Row& row) const {
  Result<std::string> value = try_expand(raw(row.name));
  if (!value)
    return give_up("3.5", fmt::format("{} in the value of {}{}",
                                      value.trouble().text, row.name,
                                      place(row.name)));
  Status status = fits(row, *value);
  if (status) return status;
  return give_up("3.5", status.trouble().text + place(row.name));
}

Status Config::validate() const {
  // What the file sets comes first: an initial value that refers to a wrong
  // one has no line to show.
  for (const bool set : {true, false})
    for (const Row& row : parameters) {
      if (row.kind == Kind::raw || is_set(row.name) != set) continue;
      Status status = check_row(row);
      if (!status) return status;
    }
  for (const auto& [name, setting] : settings_) {
    auto parameter = find_service_parameter(name);
    if (find_row(name) || !parameter) continue;
    Row row = *parameter->row;
    row.name = name;
    Status status = check_row(row);
    if (!status) return status;
  }
  return {};
}

}  // namespace postern::config
