// Files that only root may read, for authd: it runs as a user of its own, and
// Let's Encrypt's directories are closed to everybody but root.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "common/os/files.h"
#include "master/supervisor.h"

namespace postern::master {
namespace {

// Not what would block master (a FIFO) or do something by being opened (a
// device).
Result<Fd> open_regular(const std::string& path) {
  Result<Fd> file =
      os::open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (!file) return file;
  struct stat seen {};
  if (::fstat(file->get(), &seen) != 0)
    return os::system_trouble(path, errno);
  if (!S_ISREG(seen.st_mode))
    return give_up("3.5", path + " is no ordinary file");
  return file;
}

}  // namespace

void Supervisor::secret_asked(Process& asker, std::uint32_t question,
                              const ipc::SecretFileRequest& request) {
  ipc::SecretFileAnswer answer;
  if (!generation_.secrets.contains(request.path)) {
    log_.warning("{} (pid {}) asked for the file {}, which the configuration "
                 "does not name as a certificate or key",
                 asker.program, asker.pid, request.path);
    answer.trouble = ipc::TroubleWire::from(
        give_up("3.5", request.path + " is not named in the configuration"));
  } else if (Result<Fd> file = open_regular(request.path); file) {
    answer.file = std::move(*file);
  } else {
    answer.trouble = ipc::TroubleWire::from(file.trouble());
  }
  asker.control->reply(question, answer);
}

}  // namespace postern::master
