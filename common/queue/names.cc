#include "common/queue/names.h"

#include <algorithm>
#include <cerrno>

#include "common/os/files.h"

namespace postern::queue {

Names::Names(const Spool& spool, Box box)
    : top_(spool.directory() + "/" + std::string(name_of(box))),
      depth_(spool.depth(box)) {}

Status Names::enter(std::string path) {
  std::unique_ptr<DIR, Close> dir(::opendir(path.c_str()));
  if (dir) {
    levels_.push_back({std::move(dir), std::move(path)});
    return {};
  }
  if (errno == ENOENT) return {};
  return os::system_trouble("open directory " + path, errno);
}

Result<std::vector<std::string>> Names::next(std::size_t most) {
  std::vector<std::string> names;
  if (!std::exchange(begun_, true)) {
    const Status done = enter(top_);
    if (!done) return done.trouble();
  }
  while (!levels_.empty() && names.size() < most) {
    errno = 0;
    const dirent* entry = ::readdir(levels_.back().dir.get());
    if (entry == nullptr) {
      const int error = errno;
      const std::string path = std::move(levels_.back().path);
      levels_.pop_back();
      if (error != 0) return os::system_trouble("read directory " + path, error);
      continue;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const bool below = name.size() == 1 &&
                       static_cast<int>(levels_.size()) <= depth_;
    if (!below) {
      names.emplace_back(name);
      continue;
    }
    const Status done = enter(levels_.back().path + "/" + std::string(name));
    if (!done) return done.trouble();
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace postern::queue
