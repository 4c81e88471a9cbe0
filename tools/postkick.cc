// postkick: says something to a service of the running mail system, for
// scripts. postkick(1).
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"
#include "common/service/tool.h"
#include "tools/named_socket.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr const char* usage =
    "usage: postkick [-c config_dir] [-v] class service request";

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  bool verbose = false;
  int option = 0;
  while ((option = ::getopt(argc, argv, "c:v")) != -1) {
    if (option == 'c')
      tool.use_directory(optarg);
    else if (option == 'v')
      verbose = true;
    else
      tool.fatal(usage);
  }
  if (argc != optind + 3) tool.fatal(usage);
  const std::string kind = argv[optind];
  const std::string service = argv[optind + 1];
  const config::Config config = tool.load();
  const std::string path =
      config.get<"queue_directory">() + "/" + kind + "/" + service;
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0)
    tool.warning(fmt::format("unable to look up {}/{}: {}", kind, service,
                             os::error_text(errno)));
  const Status said = poke(path, std::string(argv[optind + 2]) + "\n");
  if (said) return 0;
  if (verbose) tool.warning(path + ": " + said.trouble().text);
  tool.warning(fmt::format("Cannot contact class {} service {} - perhaps the "
                           "mail system is down",
                           kind, service));
  return 1;
}
