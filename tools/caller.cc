#include "tools/caller.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/os/users.h"
#include "common/tables/match_list.h"

namespace postern::tools {
namespace {

std::string caller_name(const Tool* tool) {
  const Result<std::optional<os::User>> user = os::find_user(::getuid());
  if (!user && tool != nullptr) tool->fatal(user.trouble().text);
  return user && *user ? (*user)->name : "unknown";
}

}  // namespace

void settle_in() {
  for (int fd = 0; fd < 3; ++fd)
    if (::fcntl(fd, F_GETFL) < 0 && ::open("/dev/null", O_RDWR) != fd)
      std::_Exit(1);
  ::closefrom(3);
  ::umask(077);
  ::signal(SIGPIPE, SIG_IGN);
}

void clean_environment(const config::Config& config) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (const std::string& word :
       split_words(config.get<"import_environment">())) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals != std::string::npos)
      kept.emplace_back(name, word.substr(equals + 1));
    else if (const char* value = std::getenv(name.c_str()))
      kept.emplace_back(name, value);
  }
  ::clearenv();
  for (const auto& [name, value] : kept)
    ::setenv(name.c_str(), value.c_str(), 1);
}

std::string caller() {
  return fmt::format("{}({})", caller_name(nullptr), ::getuid());
}

void require_authorised(const Tool& tool, const config::Config& config,
                        std::string_view list, std::string_view what) {
  tables::MatchOptions options;
  options.title = list;
  options.tables.warn = [&](std::string_view text) {
    tool.warning(text);
  };
  tables::MatchList users =
      tables::MatchList::parse(config.text(list), options);
  users.open_tables();
  const std::string name = caller_name(&tool);
  const Result<bool> found = users.matches(name);
  if (!found) tool.fatal(found.trouble().text);
  if (!*found)
    tool.fatal(fmt::format("User {}({}) is not allowed to {}", name,
                           ::getuid(), what));
}

}  // namespace postern::tools
