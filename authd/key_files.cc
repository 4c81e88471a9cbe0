#include "authd/key_files.h"

#include <cerrno>

#include "common/os/files.h"

namespace postern::authd {
namespace {

constexpr Seconds fresh{1};

bool same_moment(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
         a.st_size == b.st_size && same_moment(a.st_mtim, b.st_mtim) &&
         same_moment(a.st_ctim, b.st_ctim);
}

}  // namespace

Task<Result<KeyFiles::Content>> KeyFiles::read(std::string path) {
  const auto found = known_.find(path);
  if (found != known_.end() && found->second.content &&
      Clock::now() - found->second.checked < fresh)
    co_return found->second.content;
  Result<Fd> file = co_await opener_.open(path);
  if (!file) co_return file.trouble();
  co_return take(path, *file);
}

Result<KeyFiles::Content> KeyFiles::take(const std::string& path,
                                         const Fd& file) {
  Known& known = known_[path];
  struct stat now {};
  if (::fstat(file.get(), &now) != 0)
    return os::system_trouble(path, errno);
  known.checked = Clock::now();
  if (known.content && same_file(known.seen, now)) return known.content;
  if (now.st_size < 0 || static_cast<std::size_t>(now.st_size) > largest)
    return give_up("3.5", path + " is too large for keys and certificates");
  Result<std::string> text = os::read_at(
      file.get(), static_cast<std::size_t>(now.st_size), 0, path);
  if (!text) return text.trouble();
  known.seen = now;
  known.content = std::make_shared<const std::string>(std::move(*text));
  return known.content;
}

}  // namespace postern::authd
