#include "common/os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace postern::os {

std::string error_text(int error_number) {
  char buffer[128];
  return ::strerror_r(error_number, buffer, sizeof buffer);
}

Trouble system_trouble(std::string_view what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return try_later(full ? "3.1" : "3.0",
                   std::string(what) + ": " + error_text(error_number));
}

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return system_trouble("open " + path, errno);
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  Result<Fd> fd = open_file(path, O_RDONLY);
  if (!fd) return fd.trouble();
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd->get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_trouble("read " + path, errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > limit)
      return try_later("3.0", "read " + path + ": larger than " +
                                  std::to_string(limit) + " bytes");
  }
}

Status write_all(int fd, std::string_view data, std::string_view what) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_trouble("write " + std::string(what), errno);
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status write_all_at(int fd, std::string_view data, off_t offset,
                    std::string_view what) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_trouble("write " + std::string(what), errno);
    data.remove_prefix(static_cast<std::size_t>(n));
    offset += n;
  }
  return {};
}

Result<std::string> read_at(int fd, std::size_t size, off_t offset,
                            std::string_view what) {
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t n = ::pread(fd, out.data() + have, size - have,
                              offset + static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_trouble("read " + std::string(what), errno);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

Status replace_file(const std::string& path, std::string_view content,
                    mode_t mode) {
  const std::string temporary = path + ".tmp" + std::to_string(::getpid());
  ::unlink(temporary.c_str());
  Result<Fd> fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.trouble();
  Status done = write_all(fd->get(), content, temporary);
  if (done && ::fchmod(fd->get(), mode) != 0)
    done = system_trouble("chmod " + temporary, errno);
  if (done && ::fsync(fd->get()) != 0)
    done = system_trouble("fsync " + temporary, errno);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0)
    done = system_trouble("rename " + temporary + " to " + path, errno);
  if (!done) ::unlink(temporary.c_str());
  return done;
}

Status make_directories(const std::string& path, mode_t mode) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      return system_trouble("mkdir " + part, errno);
    if (at != std::string::npos) ++at;
  }
  return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()),
                                                ::closedir);
  if (!dir) return system_trouble("open directory " + path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return system_trouble("read directory " + path, errno);
  return names;
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<std::uint64_t> free_bytes(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0)
    return system_trouble("statvfs " + path, errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

Status set_nonblocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 ||
      ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
    return system_trouble("fcntl O_NONBLOCK", errno);
  return {};
}

Status set_close_on_exec(int fd, bool on) {
  if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
    return system_trouble("fcntl FD_CLOEXEC", errno);
  return {};
}

std::string directory_of(std::string_view path) {
  const std::size_t at = path.rfind('/');
  if (at == std::string_view::npos) return ".";
  return std::string(at == 0 ? "/" : path.substr(0, at));
}

std::string base_name(std::string_view path) {
  const std::size_t at = path.rfind('/');
  return std::string(at == std::string_view::npos ? path
                                                  : path.substr(at + 1));
}

}  // namespace postern::os
