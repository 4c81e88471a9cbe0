#include "tools/as_owner.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/panic.h"
#include "common/os/files.h"

namespace postern::tools {

Result<AsOwner> AsOwner::of(const std::string& path) {
  AsOwner owner;
  struct stat file {};
  if (geteuid() != 0 || stat(path.c_str(), &file) != 0 || file.st_uid == 0)
    return owner;
  if (setgroups(1, &file.st_gid) != 0 || setegid(file.st_gid) != 0 ||
      seteuid(file.st_uid) != 0)
    return os::system_trouble("set user id", errno);
  owner.changed_ = true;
  return owner;
}

AsOwner::~AsOwner() {
  if (!changed_) return;
  const gid_t root = 0;
  const bool back =
      seteuid(0) == 0 && setegid(0) == 0 && setgroups(1, &root) == 0;
  require(back, "root's rights did not come back");
}

}  // namespace postern::tools
