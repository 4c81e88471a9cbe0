// Connects processes to sockets outside of the suite. master may, with the
// rights of root, reach what their users cannot (private/auth of mode 0660);
// so it connects to what the asker's row names, and is not led elsewhere by a
// symbolic link that somebody but root has put in its place.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/ipc/messages/dial.h"
#include "common/loop/connect.h"
#include "common/os/files.h"
#include "master/dial.h"
#include "master/supervisor.h"

namespace postern::master {
namespace {

constexpr int most_links = 40;  // as the kernel

Trouble reason(int error) { return try_later("4.1", os::error_text(error)); }

bool trusted_owner(uid_t owner) { return owner == 0 || owner == ::geteuid(); }

Result<std::string> target_of(const Fd& link, const std::string& path) {
  struct stat facts;
  if (::fstat(link.get(), &facts) != 0) return reason(errno);
  if (!trusted_owner(facts.st_uid))
    return try_later("4.1", path + ": a symbolic link on the way does not "
                                   "belong to root");
  char target[4096];
  const ssize_t size = ::readlinkat(link.get(), "", target, sizeof target);
  if (size <= 0) return reason(size < 0 ? errno : ENOENT);
  return std::string(target, static_cast<std::size_t>(size));
}

// The socket that the path names, pinned: what is connected to is what was
// looked at. Step by step: a link in place of a directory on the way leads
// elsewhere just as well as one in place of the socket.
Result<Fd> pin(const std::string& path) {
  Fd here;
  std::string rest = path;
  for (int links = 0;;) {
    if (!here || rest.starts_with('/'))
      here = Fd(::open(rest.starts_with('/') ? "/" : ".", O_PATH | O_CLOEXEC));
    rest.erase(0, rest.find_first_not_of('/'));
    if (rest.empty()) return here;
    const std::string name = rest.substr(0, rest.find('/'));
    rest.erase(0, name.size());
    Fd next(::openat(here.get(), name.c_str(),
                     O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat facts;
    if (!next || ::fstat(next.get(), &facts) != 0) return reason(errno);
    rest.erase(0, std::min(rest.size(), rest.find_first_not_of('/')));
    if (!S_ISLNK(facts.st_mode)) {
      here = std::move(next);
      continue;
    }
    if (++links > most_links) return reason(ELOOP);
    const Result<std::string> target = target_of(next, path);
    if (!target) return target.trouble();
    rest = *target + "/" + rest;
  }
}

}  // namespace

Result<Fd> connect_to_path(const std::string& path) {
  const Result<Fd> pinned = pin(path);
  if (!pinned) return pinned.trouble();
  struct stat facts;
  if (::fstat(pinned->get(), &facts) != 0) return reason(errno);
  if (!S_ISSOCK(facts.st_mode)) return reason(ENOTSOCK);
  const Result<SocketAddress> address = SocketAddress::unix_path(
      "/proc/self/fd/" + std::to_string(pinned->get()));
  if (!address) return address.trouble();
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return reason(errno);
  // Without a wait: a server whose queue of connections is full says EAGAIN.
  if (::connect(fd.get(), address->get(), address->length) != 0)
    return reason(errno);
  return fd;
}

void Supervisor::dial_asked(Process& asker, std::uint32_t question,
                            const ipc::DialPath& request) {
  config::Endpoint endpoint;
  endpoint.path = request.path;
  ipc::DialAnswer answer;
  if (!config::is_granted(asker.endpoints, endpoint)) {
    log_.warning("{} (pid {}) asked for a connection to {}, which its "
                 "configuration does not name",
                 asker.program, asker.pid, request.path);
    answer.trouble = ipc::TroubleWire::from(
        give_up("3.0", "the configuration does not name " + request.path));
  } else if (Result<Fd> made = connect_to_path(request.path)) {
    answer.socket = std::move(*made);
  } else {
    answer.trouble = ipc::TroubleWire::from(made.trouble());
  }
  asker.control->reply(question, answer);
}

}  // namespace postern::master
