#include "common/service/tool.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/os/files.h"

namespace postern {
namespace {

constexpr const char* default_directory = "/etc/postern";

// The caller has fewer rights than the tool.
bool borrowed_rights() {
  if (getuid() == 0 && geteuid() == 0) return false;
  return getuid() != geteuid() || getgid() != getegid();
}

// A regular file that is there already: making it, and writing to terminals
// and pipes, is for the suite.
Fd open_own_log(const std::string& path) {
  Result<Fd> file =
      os::open_file(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
  struct stat facts;
  if (!file || ::fstat(file->get(), &facts) != 0 || !S_ISREG(facts.st_mode))
    return Fd();
  return std::move(*file);
}

}  // namespace

Tool::Tool(std::string_view argv0)
    : name_(os::base_name(argv0)), directory_(default_directory) {
  const char* chosen = std::getenv("MAIL_CONFIG");
  if (chosen && *chosen) directory_ = chosen;
}

void Tool::require_authorised_directory() const {
  if (!borrowed_rights() || directory_ == default_directory) return;
  Result<config::Config> own = config::Config::load(default_directory);
  if (!own) fatal(own.trouble().text);
  for (const char* list :
       {"alternate_config_directories", "multi_instance_directories"}) {
    auto allowed = split_words(own->text(list));
    if (std::find(allowed.begin(), allowed.end(), directory_) !=
        allowed.end())
      return;
  }
  fatal(fmt::format(
      "unauthorized configuration directory name: {} (to use it, list it in "
      "alternate_config_directories of {})",
      directory_, own->file()));
}

config::Config Tool::load() const {
  require_authorised_directory();
  Result<config::Config> config = config::Config::load(directory_);
  if (!config) fatal(config.trouble().text);
  for (const std::string& text : config->warnings()) warning(text);
  return std::move(*config);
}

config::Config Tool::load_and_log() const {
  config::Config config = load();
  log::Destination destination;
  destination.facility = config.get<"syslog_facility">();
  destination.standard_error = true;
  const std::string file = config.get<"maillog_file">();
  if (!file.empty() && getuid() == 0) {
    static const Fd own = open_own_log(file);
    destination.file = own.get();
  }
  if (!file.empty() && destination.file < 0)
    destination.postlog_socket = config.get<"queue_directory">() + "/public/" +
                                 config.get<"postlog_service_name">();
  log::set_destination(std::move(destination));
  tag_ = config.get<"syslog_name">() + "/" + name_;
  return config;
}

void Tool::say(std::string_view severity, std::string_view text) const {
  std::fflush(stdout);
  std::string line =
      fmt::format("{}: {}{}\n", name_, severity, printable_utf8(text));
  std::fputs(line.c_str(), stderr);
}

void Tool::info(std::string_view text) const {
  if (tag_.empty()) return say("", text);
  log::Log(tag_).info(text);
}

void Tool::warning(std::string_view text) const {
  if (tag_.empty()) return say("warning: ", text);
  log::Log(tag_).warning(text);
}

void Tool::fatal(std::string_view text) const {
  if (tag_.empty())
    say("fatal: ", text);
  else
    log::Log(tag_).write(log::Severity::fatal, text);
  std::exit(failure_);
}

void Tool::usage(std::string_view text) const {
  say("", text);
  std::exit(failure_);
}

}  // namespace postern
