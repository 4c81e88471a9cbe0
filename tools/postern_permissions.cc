// postern set-permissions: directories, owners and modes as they are to be.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/os/files.h"
#include "common/os/users.h"
#include "common/sandbox/profiles.h"
#include "common/service/directories.h"
#include "common/service/places.h"
#include "tools/postern_suite.h"

namespace postern::tools {
namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// Gives all below `directory` to `owner`. By descriptors and without following
// links: who owns a queue directory must not make root give files away. A file
// with a second name may be somebody else's and is left.
Status give_all(Fd directory, const std::string& path, uid_t owner) {
  DIR* listing = ::fdopendir(directory.get());
  if (listing == nullptr) return os::system_trouble("read " + path, errno);
  directory.release();
  const int here = ::dirfd(listing);
  Status done;
  while (const dirent* entry = ::readdir(listing)) {
    const char* name = entry->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    const std::string inner = path + "/" + name;
    // Pinned before it is looked at: what is given is what was looked at.
    Fd file(::openat(here, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat facts;
    if (!file || ::fstat(file.get(), &facts) != 0) {
      if (errno == ENOENT) continue;
      done = os::system_trouble("look at " + inner, errno);
      break;
    }
    const bool is_directory = S_ISDIR(facts.st_mode);
    if (!is_directory && (!S_ISREG(facts.st_mode) || facts.st_nlink != 1))
      continue;
    // The pinned one, readable.
    if (is_directory) file = Fd(::openat(file.get(), ".", directory_flags));
    if (!file || ::fchownat(file.get(), "", owner, static_cast<gid_t>(-1),
                            AT_EMPTY_PATH) != 0) {
      done = os::system_trouble("change owner of " + inner, errno);
      break;
    }
    if (is_directory) done = give_all(std::move(file), inner, owner);
    if (!done) break;
  }
  ::closedir(listing);
  return done;
}

Status set_queue_files(const Suite& suite, uid_t owner) {
  const std::string queue = suite.config.get<"queue_directory">();
  for (const QueueDirectory& each : queue_directories()) {
    // What was dropped stays its sender's.
    if (!each.holds_mail || each.dropped_into) continue;
    const std::string path = queue + "/" + std::string(each.name);
    Result<Fd> directory =
        os::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return directory.trouble();
    if (Status done = give_all(std::move(*directory), path, owner); !done)
      return done;
  }
  return {};
}

Status set_gid_tool(const std::string& path, gid_t group) {
  const Result<Fd> tool = os::open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!tool) return tool.trouble();
  // The owner first: it takes the bit away.
  if (::fchown(tool->get(), 0, group) != 0)
    return os::system_trouble("change owner of " + path, errno);
  if (::fchmod(tool->get(), 02755) != 0)
    return os::system_trouble("change mode of " + path, errno);
  return {};
}

// What becomes a user must not be readable for that user, or the kernel lets
// others of the user's processes look into it and take its descriptors.
Status users_program(const std::string& path) {
  const Result<Fd> program = os::open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!program) return program.trouble();
  if (::fchown(program->get(), 0, static_cast<gid_t>(-1)) != 0)
    return os::system_trouble("change owner of " + path, errno);
  if (::fchmod(program->get(), 0711) != 0)
    return os::system_trouble("change mode of " + path, errno);
  return {};
}

}  // namespace

int set_permissions(Suite& suite) {
  const Result<std::vector<WantedDirectory>> wanted =
      wanted_directories(suite.config, suite.as_root);
  if (!wanted) suite.log.fatal(wanted.trouble().text);
  for (const WantedDirectory& each : *wanted) {
    const Result<bool> made = make_if_missing(each);
    if (!made) suite.log.fatal(made.trouble().text);
    if (Status done = repair(each); !done)
      suite.log.fatal(done.trouble().text);
  }
  if (!suite.as_root) return 0;
  const auto owner = os::find_user(suite.config.get<"mail_owner">());
  const auto group = os::find_group(suite.config.get<"setgid_group">());
  if (!owner || !*owner || !group || !*group)
    suite.log.fatal("mail_owner or setgid_group cannot be looked up");
  if (Status done = set_queue_files(suite, (*owner)->uid); !done)
    suite.log.fatal(done.trouble().text);
  int result = 0;
  for (const char* tool : {"postdrop", "postqueue"}) {
    const std::string path =
        suite.config.get<"command_directory">() + "/" + tool;
    if (Status done = set_gid_tool(path, **group); !done) {
      suite.log.warning(done.trouble().text);
      result = 1;
    }
  }
  const std::string daemons = daemon_directory_of(suite.config);
  for (const sandbox::Profile& each : sandbox::profiles()) {
    if (each.user != sandbox::UserClass::recipient) continue;
    const std::string path = daemons + "/" + std::string(name_of(each.role));
    if (Status done = users_program(path); !done) {
      suite.log.warning(done.trouble().text);
      result = 1;
    }
  }
  return result;
}

}  // namespace postern::tools
