// The configuration of a process: main.conf over the table of parameters, and
// the -o options of its master.conf row over both.
//
// A Config does not change after it was made, and costs no more than copying a
// few maps; asking it costs an expansion, so callers keep what they use often.
// Ask at start-up, before the process gives up its rights: the initial values
// of mynetworks and inet_interfaces look at the machine's interfaces.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/config/expand.h"
#include "common/config/main_file.h"
#include "common/config/table.h"

namespace postern::config {

using NameValues = std::vector<std::pair<std::string, std::string>>;

class Config {
 public:
  using Settings = std::map<std::string, Setting, std::less<>>;

  // Reads DIRECTORY/main.conf (or main.cf). Trouble text has file and line.
  static Result<Config> load(const std::string& directory);
  // From text, with DIRECTORY/main.conf as its name; what load() is made of.
  static Result<Config> parse(std::string_view content,
                              const std::string& directory);
  // From settings that another process has read (master's snapshot).
  static Config from_settings(const std::string& directory,
                              std::vector<Setting> settings);
  // Nothing but initial values, directory /etc/postern.
  static Config defaults();

  // -o options, or what a process knows itself (`stress`, `service_name`,
  // `process_name`); later ones win.
  Config with_overrides(const NameValues& overrides) const;

  // The value by the kind of the parameter's row: bool, std::int64_t,
  // std::chrono::seconds or std::string (expanded, unless the row is raw). An
  // unknown name does not compile. Values that do not parse read as the
  // initial one: validate() has told the operator.
  template <FixedString name>
  auto get() const {
    constexpr std::size_t i = index_of(name.view());
    constexpr Kind kind = parameters[i].kind;
    if constexpr (kind == Kind::boolean)
      return boolean_of(parameters[i]);
    else if constexpr (kind == Kind::integer)
      return number_of(parameters[i]);
    else if constexpr (kind == Kind::duration)
      return duration_of(parameters[i]);
    else
      return text_of(parameters[i]);
  }

  // The same for names known at run time only. Unknown names are "", the
  // fallback, or false. `NAME_destination_rate_delay` and its like are known
  // for any NAME.
  std::string text(std::string_view name) const;
  std::int64_t number(std::string_view name, std::int64_t fallback) const;
  std::chrono::seconds duration(std::string_view name,
                                std::chrono::seconds fallback) const;
  bool boolean(std::string_view name) const;

  // `value` with its $names replaced; "" when it cannot be expanded.
  std::string expand(std::string_view value) const;
  Result<std::string> try_expand(std::string_view value) const;
  // As try_expand, and collects names without value.
  Result<std::string> try_expand(std::string_view value,
                                 std::vector<std::string>& undefined) const;

  // Unexpanded: set or initial; "" when unknown.
  std::string raw(std::string_view name) const;
  // As raw; nullopt when unknown.
  std::optional<std::string> find(std::string_view name) const;
  // In the file or in an override.
  bool is_set(std::string_view name) const;
  // nullopt: not set.
  std::optional<Origin> origin(std::string_view name) const;
  const Settings& settings() const { return settings_; }

  // Are all values that will be asked for readable? The first that is not, as
  // a line for log.fatal(), with file and line where it was set.
  Status validate() const;

  // Complaints of the reader that do not stop the start; for the log.
  const std::vector<std::string>& warnings() const { return warnings_; }

  const std::string& directory() const { return directory_; }
  // The file that was read.
  const std::string& file() const { return file_; }

 private:
  Config() = default;
  Status read_origin_file();
  bool boolean_of(const Row& row) const;
  std::int64_t number_of(const Row& row) const;
  std::chrono::seconds duration_of(const Row& row) const;
  std::string text_of(const Row& row) const;
  std::optional<std::string> computed(std::string_view name) const;
  std::string host_name() const;
  std::string domain_name() const;
  Status check_row(const Row& row) const;
  std::string place(std::string_view name) const;

  std::string directory_;
  std::string file_;
  Settings settings_;
  std::vector<std::string> warnings_;
  // First line of the file that myorigin names, as Debian has it.
  std::optional<std::string> origin_from_file_;
};

}  // namespace postern::config
