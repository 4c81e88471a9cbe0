#include "local/mbox.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::local {
namespace {

constexpr char line_and_blank[] = "\n\n";

struct Mailbox {
  Fd file;
  bool created = false;
};

// O_NONBLOCK: a pipe that lies there must not hold this process up.
constexpr int open_flags = O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

// A mailbox may be made usable, and mail for it waits; a file that somebody
// has named will hardly.
Trouble open_trouble(const std::string& what, int error, bool plain_file) {
  Trouble trouble = write_trouble(what, error);
  if (plain_file && error != EAGAIN && error != ENOSPC && error != EIO &&
      error != EDQUOT && error != ESTALE)
    trouble.lasting = Lasting::permanent;
  return trouble;
}

Result<Mailbox> open_mailbox(const std::string& path, bool plain_file) {
  const char* what = "cannot open file";
  for (int attempt = 0; attempt < 3; ++attempt) {
    what = "cannot open file";
    Fd file(::open(path.c_str(), open_flags | O_RDWR));
    // A file that may be written to and not read, by its owner's will.
    if (!file && errno == EACCES)
      file = Fd(::open(path.c_str(), open_flags | O_WRONLY));
    if (file) return Mailbox{std::move(file), false};
    if (errno != ENOENT) break;
    what = "cannot create file exclusively";
    file = Fd(::open(path.c_str(), open_flags | O_RDWR | O_CREAT | O_EXCL,
                     0600));
    if (file) return Mailbox{std::move(file), true};
    if (errno != EEXIST) break;
  }
  if (errno == ELOOP)
    return try_later("2.0", "cannot open file: it is a symbolic link");
  return open_trouble(what, errno, plain_file);
}

// Nobody but the recipient may have chosen what is written to: no link to
// another's file, no device.
Status check_mailbox(const struct stat& facts, const MboxDelivery& delivery) {
  if (!S_ISREG(facts.st_mode))
    return try_later("2.0", "file is not a regular file");
  if (facts.st_nlink != 1)
    return try_later(
        "2.0", "file has " + std::to_string(facts.st_nlink) + " hard links");
  constexpr mode_t executable = S_IXUSR | S_IXGRP | S_IXOTH;
  if (delivery.plain_file)
    return (facts.st_mode & executable) != 0
               ? Status(give_up("7.1", "file is executable"))
               : Status();
  if (delivery.strict_ownership && facts.st_uid != ::geteuid())
    return try_later(
        "2.0", "destination " + delivery.path + " is not owned by recipient");
  return {};
}

Result<struct stat> look_at(const MboxDelivery& delivery, int fd) {
  struct stat facts;
  if (::fstat(fd, &facts) != 0) return write_trouble("cannot stat file", errno);
  if (Status fine = check_mailbox(facts, delivery); !fine)
    return fine.trouble();
  return facts;
}

// A mail reader may have put a new file in its place before we had the lock.
Status still_there(const std::string& path, const struct stat& facts) {
  struct stat named;
  if (::lstat(path.c_str(), &named) != 0 || named.st_ino != facts.st_ino ||
      named.st_dev != facts.st_dev)
    return try_later("2.0", "file was replaced while it was being locked");
  return {};
}

// Does what is there end in the middle of a line? Then a delivery was cut off
// (the process killed, the power gone), and a separator that followed on that
// line would be none: this message would be lost in that one.
Result<bool> ends_in_a_line(int fd, std::int64_t size) {
  if (size == 0 || (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) return false;
  const Result<std::string> last =
      os::read_at(fd, 1, size - 1, "error reading file");
  if (!last) return last.trouble();
  return *last != "\n";
}

Status append(const MboxDelivery& delivery, int fd, std::int64_t old_size,
              bool cut_off) {
  Output out(fd, old_size, delivery.size_limit);
  if (cut_off)
    if (Status done = out.write(line_and_blank); !done) return done;
  if (Status done = out.write(delivery.separator + "\n" + delivery.headers);
      !done)
    return done;
  if (Status done = copy_content(delivery.content, true, out); !done)
    return done;
  if (Status done = out.write("\n"); !done) return done;
  if (::fsync(fd) != 0) return write_trouble("error writing message", errno);
  return {};
}

// The name of a new file is on the disk when its directory is.
Status sync_directory(const std::string& path) {
  const Fd directory(::open(os::directory_of(path).c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A directory that we may write in but not read cannot be synced by us.
  if (!directory) return {};
  if (::fsync(directory.get()) != 0 && errno != EINVAL)
    return write_trouble("error writing message", errno);
  return {};
}

Status undo(Status failure, int fd, std::int64_t old_size) {
  if (::ftruncate(fd, old_size) == 0 && ::fsync(fd) == 0) return failure;
  return try_later("3.0", failure.trouble().text +
                              "; and the file could not be brought back to "
                              "its old size: " +
                              os::error_text(errno));
}

}  // namespace

Result<Stored> store_mbox(const MboxDelivery& delivery) {
  Stored done;
  os::DotLock dot_lock(delivery.path);
  if (delivery.locks.has("dotlock"))
    if (Status taken = dot_lock.take(delivery.locks); !taken) {
      const bool held = taken.trouble().text.ends_with(os::error_text(EEXIST));
      if (held || !delivery.plain_file) return taken.trouble();
      done.warning = taken.trouble().text;
    }
  const Result<Mailbox> mailbox =
      open_mailbox(delivery.path, delivery.plain_file);
  if (!mailbox) return mailbox.trouble();
  const int fd = mailbox->file.get();
  // Before the lock, so that nobody else's file is locked; and after it.
  if (const auto fine = look_at(delivery, fd); !fine) return fine.trouble();
  if (Status locked = os::lock_file(fd, delivery.locks); !locked)
    return locked.trouble();
  const Result<struct stat> facts = look_at(delivery, fd);
  if (!facts) return facts.trouble();
  if (Status same = still_there(delivery.path, *facts); !same)
    return same.trouble();

  const Result<bool> cut_off = ends_in_a_line(fd, facts->st_size);
  if (!cut_off) return cut_off.trouble();
  Status stored = append(delivery, fd, facts->st_size, *cut_off);
  if (stored.ok() && mailbox->created) stored = sync_directory(delivery.path);
  if (!stored) return undo(stored, fd, facts->st_size).trouble();
  done.offset = facts->st_size + (*cut_off ? sizeof line_and_blank - 1 : 0);
  return done;
}

}  // namespace postern::local
