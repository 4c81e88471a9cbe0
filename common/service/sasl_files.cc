#include "common/service/sasl_files.h"

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern {

bool needs_cyrus(std::string_view program, const config::NameValues& overrides,
                 const config::Config& main) {
  const config::Config config = main.with_overrides(overrides);
  if (!equal_nocase(config.text("smtpd_sasl_type"), "cyrus")) return false;
  if (program == "authd")
    for (const auto& [name, value] : overrides)
      if (name == "smtpd_sasl_type") return true;
  return (program == "smtpd" || program == "postscreen") &&
         config.get<"smtpd_sasl_auth_enable">();
}

std::vector<std::string> sasl_directories(const config::Config& config) {
  const std::string named = config.text("cyrus_sasl_config_path");
  if (!named.empty()) return split_words(named, ":");
  return {os::directory_of(config.file()) + "/sasl", "/etc/sasl2",
          "/usr/lib/sasl2"};
}

std::string sasl_option(const config::Config& config,
                        std::string_view application, std::string_view name) {
  for (const std::string& directory : sasl_directories(config)) {
    const Result<std::string> text =
        os::read_file(directory + "/" + std::string(application) + ".conf");
    if (!text) continue;
    for (const std::string& line : split(*text, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon != std::string::npos &&
          equal_nocase(trim(line.substr(0, colon)), name))
        return std::string(trim(line.substr(colon + 1)));
    }
    return {};
  }
  return {};
}

std::vector<std::string> sasl_files(const config::Config& config) {
  std::vector<std::string> files = {"/etc/sasldb2", "/etc/sasl2/sasldb2"};
  const std::string named =
      sasl_option(config, config.text("smtpd_sasl_path"), "sasldb_path");
  if (named.starts_with('/')) files.push_back(named);
  return files;
}

}  // namespace postern
