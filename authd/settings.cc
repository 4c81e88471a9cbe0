#include "authd/settings.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/credentials/store.h"
#include "common/service/places.h"
#include "common/service/sasl_files.h"

namespace postern::authd {
namespace {

constexpr std::int64_t kibibyte = 1024;
// They sleep, mostly.
constexpr unsigned cyrus_threads = 16;
// How much of the queue one network may fill.
constexpr std::size_t share = 10;

std::size_t share_of(std::size_t all) { return std::max(all / share, share); }

}  // namespace

Gate::Limits gate_limits(const config::Config& config) {
  Gate::Limits limits;
  limits.attempts.first_delay = config.get<"auth_failure_delay">();
  limits.attempts.of_address = config.get<"auth_address_failure_limit">();
  limits.attempts.of_network = config.get<"auth_network_failure_limit">();
  limits.attempts.of_account = config.get<"auth_account_failure_limit">();
  limits.attempts.lock = config.get<"auth_lock_time">();
  limits.requests =
      static_cast<std::size_t>(config.get<"auth_request_limit">());
  limits.of_client = share_of(limits.requests);
  limits.answer = config.get<"auth_time_limit">();
  return limits;
}

Workers::Limits hash_limits(const config::Config& config) {
  Workers::Limits limits;
  limits.threads = static_cast<unsigned>(config.get<"auth_hash_threads">());
  limits.queue = static_cast<std::size_t>(config.get<"auth_queue_limit">());
  limits.of_client = share_of(limits.queue);
  return limits;
}

Workers::Limits cyrus_limits(const config::Config& config) {
  Workers::Limits limits = hash_limits(config);
  limits.threads = cyrus_threads;
  return limits;
}

Workers::Limits lookup_limits(const config::Config& config) {
  Workers::Limits limits = hash_limits(config);
  limits.threads = 1;
  return limits;
}

UserSettings user_settings(const config::Config& config) {
  UserSettings settings;
  settings.store =
      credentials::store_path(data_directory_of(Role::authd, config));
  settings.wanted = credentials::wanted_for(
      config.get<"auth_mechanisms">(),
      {config.get<"auth_hash_memory">() * kibibyte,
       config.get<"auth_hash_passes">()});
  settings.saslauthd = config.get<"auth_saslauthd_path">();
  settings.limit = config.get<"auth_time_limit">();
  return settings;
}

std::vector<std::string> mechanism_names(const config::Config& config) {
  std::vector<std::string> names;
  for (const std::string& word : split_words(config.get<"auth_mechanisms">()))
    names.push_back(to_upper(word));
  return names;
}

std::vector<std::string> cyrus_applications(const Service& service) {
  std::vector<std::string> names;
  for (const ipc::RowWire& row : service.suite()) {
    if (!needs_cyrus(row.program, row.overrides, service.config())) continue;
    const std::string name =
        service.config_of(row).text("smtpd_sasl_path");
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  }
  return names;
}

CyrusSettings cyrus_settings(const config::Config& config,
                             const std::string& application) {
  CyrusSettings settings;
  settings.application = application;
  settings.directories = join(sasl_directories(config), ":");
  settings.log_level = static_cast<int>(
      parse_number(sasl_option(config, application, "log_level"))
          .value_or(-1));
  if (sasl_option(config, application, "saslauthd_path").empty())
    settings.jailed_saslauthd =
        config.get<"queue_directory">() + "/var/run/saslauthd/mux";
  settings.limit = config.get<"auth_time_limit">();
  return settings;
}

}  // namespace postern::authd
