// postlog: writes to the mail log, for scripts. postlog(1).
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "common/log/log.h"
#include "common/os/files.h"
#include "common/service/tool.h"
#include "tools/log_datagram.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr const char* usage =
    "usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] "
    "[text...]";

// On a terminal what is logged is seen too.
void adjust_destination(const Tool& tool) {
  log::Destination destination = log::current_destination();
  destination.standard_error = ::isatty(STDERR_FILENO) != 0;
  if (!destination.postlog_socket.empty() &&
      ::access(destination.postlog_socket.c_str(), W_OK) != 0)
    tool.fatal("open " + destination.postlog_socket + ": " +
               os::error_text(errno) + " (is the mail system up?)");
  log::set_destination(std::move(destination));
}

void log_input(const log::Log& out, log::Severity severity) {
  std::string line;
  int c = 0;
  while ((c = std::getc(stdin)) != EOF) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    out.write(severity, line);
    line.clear();
  }
  if (!line.empty()) out.write(severity, line);
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  std::string tag;
  std::string priority = "info";
  int option = 0;
  // -i is how it is anyway: lines have the process id.
  while ((option = ::getopt(argc, argv, "+c:ip:t:v")) != -1) {
    switch (option) {
      case 'c': tool.use_directory(optarg); break;
      case 'p': priority = optarg; break;
      case 't': tag = optarg; break;
      case '?': tool.fatal(usage);
      default: break;
    }
  }
  const config::Config config = tool.load_and_log();
  adjust_destination(tool);
  const std::optional<log::Severity> severity = severity_from(priority);
  if (!severity)
    tool.fatal("invalid priority: " + priority +
               " (info, warn, error, fatal or panic)");
  if (tag.empty()) tag = config.get<"syslog_name">() + "/" + tool.name();
  const log::Log out(tag);
  if (optind == argc) {
    log_input(out, *severity);
    return 0;
  }
  std::string text;
  for (int i = optind; i < argc; ++i) {
    if (i > optind) text += ' ';
    text += argv[i];
  }
  out.write(*severity, text);
  return 0;
}
