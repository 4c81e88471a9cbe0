#include "local/maildir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::local {
namespace {

std::string host_name() {
  char buffer[256] = "";
  ::gethostname(buffer, sizeof buffer - 1);
  std::string name = buffer;
  for (char& c : name)
    if (c == '/' || c == ':') c = '_';
  return name;
}

timeval now() {
  timeval time{};
  ::gettimeofday(&time, nullptr);
  return time;
}

// Removes the file at the end, whatever became of it.
struct Temporary {
  std::string path;
  Fd file;
  bool made_maildir = false;
  Temporary() = default;
  Temporary(Temporary&&) = default;
  Temporary& operator=(Temporary&&) = default;
  ~Temporary() {
    if (file) ::unlink(path.c_str());
  }
};

Status make_maildir(const std::string& base) {
  for (const char* part : {"/tmp", "/new", "/cur"})
    if (Status made = os::make_directories(base + part, 0700); !made)
      return try_later("2.0", made.trouble().text);
  return {};
}

Result<Temporary> make_temporary(const std::string& base) {
  Temporary made;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const timeval time = now();
    made.path = fmt::format("{}/tmp/{}.M{}P{}.{}", base, time.tv_sec,
                            time.tv_usec, ::getpid(), host_name());
    made.file = Fd(::open(made.path.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (made.file) return made;
    if (errno == ENOENT) {
      if (Status ready = make_maildir(base); !ready) return ready.trouble();
      made.made_maildir = true;
    } else if (errno != EEXIST) {
      break;
    }
  }
  return write_trouble("create maildir file " + made.path, errno);
}

Status write_message(const MaildirDelivery& delivery, int fd) {
  Output out(fd, 0, delivery.size_limit);
  if (Status done = out.write(delivery.headers); !done) return done;
  if (Status done = copy_content(delivery.content, false, out); !done)
    return done;
  if (::fsync(fd) != 0) return write_trouble("error writing message", errno);
  return {};
}

// Device and inode tell deliveries of the same microsecond apart.
std::string new_name(const std::string& base, const struct stat& facts) {
  const timeval time = now();
  return fmt::format("{}/new/{}.V{:x}I{:x}M{}.{}", base, time.tv_sec,
                     facts.st_dev, facts.st_ino, time.tv_usec, host_name());
}

// Not rename(2), which would replace a file that is there already; unless the
// file system knows no links.
int publish(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return 0;
  if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK) return errno;
  if (os::exists(to)) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

Status sync_directory(const std::string& path) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A directory that we may write in but not read cannot be synced by us.
  if (!directory && errno == EACCES) return {};
  if (directory && ::fsync(directory.get()) == 0) return {};
  return write_trouble("sync " + path, errno);
}

}  // namespace

Status store_maildir(const MaildirDelivery& delivery) {
  std::string base = delivery.path;
  while (base.size() > 1 && base.ends_with('/')) base.pop_back();
  const Result<Temporary> temporary = make_temporary(base);
  if (!temporary) return temporary.trouble();
  const int fd = temporary->file.get();
  struct stat facts;
  if (::fstat(fd, &facts) != 0)
    return write_trouble("create maildir file " + temporary->path, errno);
  if (Status done = write_message(delivery, fd); !done) return done;

  std::string name;
  int error = EEXIST;
  for (int attempt = 0; attempt < 10 && error == EEXIST; ++attempt) {
    name = new_name(base, facts);
    error = publish(temporary->path, name);
    if (error == ENOENT)
      if (Status ready = make_maildir(base); ready.ok())
        error = publish(temporary->path, name);
  }
  if (error != 0) return write_trouble("create maildir file " + name, error);
  Status synced = sync_directory(base + "/new");
  if (synced.ok() && temporary->made_maildir) {
    synced = sync_directory(base);
    if (synced.ok()) synced = sync_directory(os::directory_of(base));
  }
  // What may not survive a crash was not delivered.
  if (!synced) ::unlink(name.c_str());
  return synced;
}

}  // namespace postern::local
