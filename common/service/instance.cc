#include "common/service/instance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/core.h>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern {
namespace {

std::optional<pid_t> pid_in(int fd, const std::string& path) {
  const Result<std::string> text = os::read_at(fd, 64, 0, path);
  if (!text) return std::nullopt;
  const auto number = parse_number(trim(*text));
  if (!number || *number <= 0) return std::nullopt;
  return static_cast<pid_t>(*number);
}

}  // namespace

std::string pid_file(const config::Config& config) {
  std::string directory = config.get<"process_id_directory">();
  if (!directory.starts_with('/'))
    directory = config.get<"queue_directory">() + "/" + directory;
  return directory + "/master.pid";
}

Result<Instance> Instance::claim(const config::Config& config) {
  const std::string path = pid_file(config);
  Result<Fd> file = os::open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!file) return file.trouble();
  if (::flock(file->get(), LOCK_EX | LOCK_NB) == 0)
    return Instance(std::move(*file), path);
  if (errno != EWOULDBLOCK) return os::system_trouble("lock " + path, errno);
  const auto pid = pid_in(file->get(), path);
  return try_later("3.0", "the Postern mail system is already running" +
                              (pid ? ": PID: " + std::to_string(*pid)
                                   : std::string()));
}

// Padded, so that a shorter number replaces a longer one whole.
Status Instance::sign() const {
  return os::write_all_at(file_.get(), fmt::format("{:>32}\n", ::getpid()), 0,
                          path_);
}

Result<std::optional<pid_t>> running_master(const config::Config& config) {
  const std::string path = pid_file(config);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return std::optional<pid_t>();
  if (fd < 0) return os::system_trouble("open " + path, errno);
  const Fd file(fd);
  // A shared lock is refused while master holds the exclusive one.
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) return std::optional<pid_t>();
  if (errno != EWOULDBLOCK) return os::system_trouble("lock " + path, errno);
  const auto pid = pid_in(fd, path);
  if (!pid) return try_later("3.0", path + " is locked but names no process");
  return pid;
}

}  // namespace postern
