#include "master/environment.h"

#include <unistd.h>

#include <optional>
#include <string_view>

namespace postern::master {
namespace {

constexpr std::string_view for_tests[] = {
    "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS",     "TSAN_OPTIONS",
    "GCOV_PREFIX",  "POSTERN_PROBE", "LLVM_PROFILE_FILE",
};

std::optional<std::string> entry_of(const std::vector<std::string>& current,
                                    std::string_view name) {
  for (const std::string& entry : current)
    if (entry.size() > name.size() && entry[name.size()] == '=' &&
        entry.starts_with(name))
      return entry;
  return std::nullopt;
}

}  // namespace

std::vector<std::string> clean_environment(
    const std::vector<std::string>& import,
    const std::vector<std::string>& current,
    const std::string& config_directory) {
  std::vector<std::string> clean = {
      "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
      "MAIL_CONFIG=" + config_directory,
  };
  const auto take = [&](std::string_view name) {
    if (name == "PATH" || name == "MAIL_CONFIG") return;
    if (auto entry = entry_of(current, name)) clean.push_back(*entry);
  };
  for (const std::string& each : import) {
    if (each.find('=') != std::string::npos)
      clean.push_back(each);
    else
      take(each);
  }
  for (const std::string_view name : for_tests) take(name);
  return clean;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> entries;
  for (char** each = environ; *each != nullptr; ++each)
    entries.emplace_back(*each);
  return entries;
}

}  // namespace postern::master
