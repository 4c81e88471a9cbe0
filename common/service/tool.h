// What every command-line tool begins with: its name in messages, the
// configuration directory, loud failure.
//
//   Tool tool(argv[0]);
//   ... tool.use_directory(optarg) for -c ...
//   Config config = tool.load();
//   tool.warning("...");
//   tool.fatal("...");          // "postqueue: fatal: ...", exit status 1
#pragma once

#include <string>
#include <string_view>

#include "common/config/config.h"

namespace postern {

class Tool {
 public:
  // `argv0` may be a path; the last part is the tool's name. The directory is
  // that of the environment variable MAIL_CONFIG, else /etc/postern.
  explicit Tool(std::string_view argv0);

  const std::string& name() const { return name_; }

  // For the option -c. A tool that runs with rights of its own (set-gid) takes
  // only directories that the default main.conf lists in
  // alternate_config_directories or multi_instance_directories: load() checks.
  void use_directory(std::string directory) {
    directory_ = std::move(directory);
  }
  const std::string& directory() const { return directory_; }

  // The status that fatal() and usage() exit with, instead of 1: mailers have
  // theirs (sysexits.h).
  void fail_with(int status) { failure_ = status; }

  // Reads main.conf; fatal when it cannot be read. Tells its warnings.
  config::Config load() const;
  // As load, and the tool's messages go to the mail log too from here on:
  // what maillog_file, syslog_facility and syslog_name say. Root writes to the
  // file itself, whether postlogd runs or not.
  config::Config load_and_log() const;

  // On standard error, and in the mail log after load_and_log().
  void warning(std::string_view text) const;
  [[noreturn]] void fatal(std::string_view text) const;
  // An event, without a severity.
  void info(std::string_view text) const;
  // "NAME: TEXT", without a severity, then exit: wrong usage.
  [[noreturn]] void usage(std::string_view text) const;

 private:
  void require_authorised_directory() const;
  void say(std::string_view severity, std::string_view text) const;

  std::string name_;
  std::string directory_;
  int failure_ = 1;
  mutable std::string tag_;  // "postern/postqueue" once the mail log is used
};

}  // namespace postern
