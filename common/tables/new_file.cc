#include "common/tables/new_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "common/os/files.h"

namespace postern::tables {
namespace {

std::string resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(
      realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path;
}

// The file that now has the name, locked; invalid when there is none.
Result<Fd> lock_old(const std::string& path) {
  const std::string what = "open database " + path;
  for (;;) {
    Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file && errno == ENOENT) return Fd();
    if (!file) return os::system_trouble(what, errno);
    if (flock(file.get(), LOCK_EX) != 0)
      return os::system_trouble("lock database " + path, errno);
    // While we waited another writer may have put a new file in its place.
    struct stat locked {};
    struct stat named {};
    if (fstat(file.get(), &locked) != 0) return os::system_trouble(what, errno);
    if (stat(path.c_str(), &named) == 0 && named.st_ino == locked.st_ino &&
        named.st_dev == locked.st_dev)
      return file;
  }
}

Status copy(int from, int to, const std::string& path) {
  off_t offset = 0;
  for (;;) {
    const ssize_t count = sendfile(to, from, &offset, 1u << 30);
    if (count == 0) return {};
    if (count < 0 && errno != EINTR)
      return os::system_trouble("copy database " + path, errno);
  }
}

}  // namespace

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      old_(std::move(other.old_)),
      new_(std::move(other.new_)),
      mode_(other.mode_) {
  other.name_.clear();
}

NewFile::~NewFile() {
  if (!name_.empty()) unlink(name_.c_str());
}

Result<NewFile> NewFile::create(const std::string& path, bool keep,
                                mode_t mode) {
  NewFile file;
  file.path_ = resolved(path);
  Result<Fd> old = lock_old(file.path_);
  if (!old) return old.trouble();
  file.old_ = std::move(*old);
  file.mode_ = mode;
  std::string name = file.path_ + ".XXXXXX";
  file.new_ = Fd(mkostemp(name.data(), O_CLOEXEC));
  if (!file.new_) {
    const int error = errno;
    Trouble trouble = os::system_trouble("open database " + path, error);
    if (error == EACCES && file.old_)
      trouble.text += "; a new file is made in " +
                      os::directory_of(file.path_) +
                      ", where the owner of the table may not write";
    return trouble;
  }
  file.name_ = name;
  if (keep && file.old_) {
    const Status copied = copy(file.old_.get(), file.new_.get(), path);
    if (!copied.ok()) return copied.trouble();
  }
  return file;
}

Status NewFile::finish() {
  const std::string what = "write database " + path_;
  if (old_) {
    struct stat old {};
    if (fstat(old_.get(), &old) != 0) return os::system_trouble(what, errno);
    mode_ = old.st_mode & 07777;
    // Root keeps the owner that the file had; others own what they make.
    if (geteuid() == 0 && (old.st_uid != 0 || old.st_gid != 0) &&
        fchown(new_.get(), old.st_uid, old.st_gid) != 0)
      return os::system_trouble(what, errno);
  }
  if (fchmod(new_.get(), mode_) != 0 || fsync(new_.get()) != 0 ||
      rename(name_.c_str(), path_.c_str()) != 0)
    return os::system_trouble(what, errno);
  name_.clear();
  const Fd directory(
      ::open(os::directory_of(path_).c_str(), O_RDONLY | O_CLOEXEC));
  if (directory) fsync(directory.get());
  return {};
}

}  // namespace postern::tables
