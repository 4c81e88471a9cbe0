#include "master/generation.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/ipc/link.h"
#include "common/os/files.h"
#include "common/service/places.h"

namespace postern::master {
namespace {

std::vector<ipc::SettingWire> snapshot(const config::Config& config) {
  std::vector<ipc::SettingWire> settings;
  for (const auto& [name, each] : config.settings()) {
    // myorigin may name a file, which master has read for everybody.
    const std::string value =
        name == "myorigin" ? config.raw(name) : each.value;
    settings.push_back({name, value, each.origin.file, each.origin.line});
  }
  return settings;
}

PlanFacts facts_of(const config::Config& config) {
  PlanFacts facts;
  facts.cleanup_service = config.get<"cleanup_service_name">();
  facts.smtpd_service = config.get<"smtpd_service_name">();
  facts.default_process_limit =
      static_cast<int>(config.get<"default_process_limit">());
  facts.disabled = split_words(config.get<"master_service_disable">());
  const std::string directory = daemon_directory_of(config);
  facts.executable_exists = [directory](std::string_view name) {
    return ::access((directory + "/" + std::string(name)).c_str(), X_OK) == 0;
  };
  return facts;
}

// Every process is told the whole configuration, in one frame, and of its
// sockets.
constexpr std::size_t most_of_welcome = ipc::largest_frame - 262144;

}  // namespace

Status check_size(const Generation& generation) {
  ipc::Welcome welcome;
  welcome.settings = generation.settings;
  welcome.suite = generation.suite;
  welcome.rows = generation.suite;  // each has some of them
  const std::size_t size = ipc::frame_size(welcome).bytes;
  if (size <= most_of_welcome) return {};
  const ipc::SettingWire* largest = nullptr;
  for (const ipc::SettingWire& each : generation.settings)
    if (largest == nullptr || each.value.size() > largest->value.size())
      largest = &each;
  std::string text = "the configuration is too large to be handed to the "
                     "programs: " + std::to_string(size) +
                     " bytes, at most " + std::to_string(most_of_welcome);
  if (largest != nullptr)
    text += "; the largest parameter is " + largest->name + " (" +
            std::to_string(largest->value.size()) + " bytes, " +
            largest->file + ", line " + std::to_string(largest->line) +
            "): put long lists into a table";
  return give_up("3.5", std::move(text));
}

std::string Generation::program(Role role) const {
  return daemon_directory_of(config) + "/" + std::string(name_of(role));
}

ipc::RowWire row_wire(const config::ServiceRow& row,
                      const config::Config& config) {
  ipc::RowWire wire;
  wire.name = row.name;
  wire.type = row.type;
  wire.program = row.program;
  wire.maxproc =
      row.maxproc < 0 ? config.get<"default_process_limit">() : row.maxproc;
  wire.chroot = row.chroot;
  wire.private_ = row.private_;
  wire.overrides = row.overrides;
  wire.arguments = row.args;
  return wire;
}

bool has_prefix(const std::string& path,
                const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (!path.starts_with(prefix)) continue;
    if (path.size() == prefix.size() || prefix.ends_with('/') ||
        path[prefix.size()] == '/')
      return true;
  }
  return false;
}

Result<Fd> open_log_file(const config::Config& config) {
  const std::string path = config.get<"maillog_file">();
  if (path.empty()) return Fd();
  const std::string prefixes = config.get<"maillog_file_prefixes">();
  if (!has_prefix(path, split_words(prefixes)))
    return give_up("3.5", "maillog_file '" + path +
                              "' does not match any prefix in '" + prefixes +
                              "' (maillog_file_prefixes)");
  return os::open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0600);
}

Result<Generation> load_generation(const std::string& directory,
                                   bool as_root) {
  Generation made;
  Result<config::Config> main = config::Config::load(directory);
  if (!main) return main.trouble();
  made.config = std::move(*main);
  made.warnings = made.config.warnings();
  if (Status valid = made.config.validate(); !valid) return valid.trouble();
  Result<config::MasterTable> table = config::MasterTable::load(directory);
  if (!table) return table.trouble();
  made.rows = table->rows();
  for (const std::string& each : table->warnings())
    made.warnings.push_back(each);
  if (as_root) {
    Result<Identities> identities = resolve_identities(made.config);
    if (!identities) return identities.trouble();
    give_auth_groups(*identities, made.config, made.rows);
    for (const std::string& each : identities->warnings)
      made.warnings.push_back(each);
    made.identities = std::move(*identities);
  }
  const std::string daemons = daemon_directory_of(made.config);
  if (const std::string named = made.config.get<"daemon_directory">();
      named != daemons)
    made.warnings.push_back("daemon_directory = " + named +
                            " holds no program of this mail system; those in " +
                            daemons + " are run");
  made.plan = make_plan(made.rows, facts_of(made.config));
  for (const std::string& each : made.plan.warnings)
    made.warnings.push_back(each);
  Result<Fd> log_file = open_log_file(made.config);
  if (!log_file) return log_file.trouble();
  made.log_file = std::move(*log_file);
  made.settings = snapshot(made.config);
  for (const config::ServiceRow& row : made.rows) {
    made.suite.push_back(row_wire(row, made.config));
    for (std::string& file :
         certificate_files(made.config.with_overrides(row.overrides)))
      made.secrets.insert(std::move(file));
  }
  if (Status fits = check_size(made); !fits) return fits.trouble();
  return made;
}

}  // namespace postern::master
