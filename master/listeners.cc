#include "master/listeners.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/loop/connect.h"
#include "common/os/files.h"
#include "master/endpoints.h"

namespace postern::master {
namespace {

// The kernel cuts it to net.core.somaxconn.
constexpr int backlog = 4096;

struct Wanted {
  std::string service;
  std::string type;
  std::string name;
  std::optional<SocketAddress> address;  // of inet
};

std::string local_name(const config::ServiceRow& row) {
  return (row.private_ ? "private/" : "public/") + row.name;
}

Trouble bind_trouble(const Wanted& wanted, int error) {
  const std::string what = wanted.address
                         ? "bind " + wanted.address->address() + " port " +
                               std::to_string(wanted.address->port())
                         : "bind " + wanted.name;
  Trouble trouble = os::system_trouble(what, error);
  if (error == EACCES && wanted.address && wanted.address->port() < 1024 &&
      ::geteuid() != 0)
    trouble.text += " (ports below 1024 are root's)";
  return trouble;
}

// "inet_protocols = all" on a machine without IPv6 means IPv4.
bool no_ipv6(const Wanted& wanted, int error) {
  return wanted.address->family() == AF_INET6 &&
         (error == EAFNOSUPPORT || error == EADDRNOTAVAIL);
}

// No descriptor and no trouble: this machine does not have that family.
Result<Fd> bind_inet(const Wanted& wanted) {
  const SocketAddress& address = *wanted.address;
  Fd socket(::socket(address.family(),
                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket && no_ipv6(wanted, errno)) return Fd();
  if (!socket) return bind_trouble(wanted, errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(socket.get(), address.get(), address.length) != 0)
    return no_ipv6(wanted, errno) ? Result<Fd>(Fd())
                                  : bind_trouble(wanted, errno);
  if (::listen(socket.get(), backlog) != 0)
    return bind_trouble(wanted, errno);
  return socket;
}

// What a master that was killed has left; nothing else is in our way to
// remove.
Status remove_stale(const std::string& name) {
  struct stat facts;
  if (::lstat(name.c_str(), &facts) != 0) {
    if (errno == ENOENT) return {};
    return os::system_trouble("look at " + name, errno);
  }
  if (!S_ISSOCK(facts.st_mode) && !S_ISFIFO(facts.st_mode))
    return try_later("3.0", name + " is in the way of a socket");
  if (::unlink(name.c_str()) != 0)
    return os::system_trouble("remove " + name, errno);
  return {};
}

// What is made meanwhile gets these rights. Not by chmod afterwards: it would
// follow a link that the directory's owner has put in its place.
class MadeWith {
 public:
  explicit MadeWith(mode_t rights) : before_(::umask(0777 & ~rights)) {}
  ~MadeWith() { ::umask(before_); }
  MadeWith(const MadeWith&) = delete;
  MadeWith& operator=(const MadeWith&) = delete;

 private:
  mode_t before_;
};

// Who may connect is decided by the directory.
Result<Fd> bind_local(const Wanted& wanted) {
  if (Status removed = remove_stale(wanted.name); !removed)
    return removed.trouble();
  const Result<SocketAddress> address = SocketAddress::unix_path(wanted.name);
  if (!address) return address.trouble();
  const int type = wanted.type == "unix-dgram" ? SOCK_DGRAM : SOCK_STREAM;
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const MadeWith rights(0666);
  if (!socket || ::bind(socket.get(), address->get(), address->length) != 0 ||
      (type == SOCK_STREAM && ::listen(socket.get(), backlog) != 0))
    return bind_trouble(wanted, errno);
  return socket;
}

Result<Fd> open_fifo(const Wanted& wanted) {
  if (Status removed = remove_stale(wanted.name); !removed)
    return removed.trouble();
  const MadeWith rights(0622);
  if (::mkfifo(wanted.name.c_str(), 0622) != 0)
    return bind_trouble(wanted, errno);
  // For writing as well: so it is never at its end.
  Result<Fd> fifo =
      os::open_file(wanted.name, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  struct stat facts;
  if (fifo && (::fstat(fifo->get(), &facts) != 0 || !S_ISFIFO(facts.st_mode)))
    return try_later("3.0", wanted.name + " is no longer the fifo that was "
                                          "made");
  return fifo;
}

Result<Fd> bind_any(const Wanted& wanted) {
  if (wanted.address) return bind_inet(wanted);
  if (wanted.type == "fifo") return open_fifo(wanted);
  return bind_local(wanted);
}

Result<std::vector<Wanted>> wanted_by(const config::ServiceRow& row,
                                      const config::Config& config) {
  if (row.type != "inet")
    return std::vector<Wanted>{{row.name, row.type, local_name(row), {}}};
  const Result<std::vector<Endpoint>> endpoints = endpoints_of(row, config);
  if (!endpoints)
    return give_up("3.5", row.origin.file + ": line " +
                              std::to_string(row.origin.line) + ": " +
                              endpoints.trouble().text);
  std::vector<Wanted> wanted;
  for (const Endpoint& each : *endpoints)
    wanted.push_back({row.name, row.type, each.text, each.address});
  return wanted;
}

}  // namespace

Status Listeners::update(const std::vector<config::ServiceRow>& rows,
                         const config::Config& config) {
  std::optional<Trouble> first;
  const auto remember = [&](const Trouble& trouble) {
    if (!first) first = trouble;
  };
  std::vector<Wanted> all;
  for (const config::ServiceRow& row : rows) {
    Result<std::vector<Wanted>> wanted = wanted_by(row, config);
    if (!wanted) {
      remember(wanted.trouble());
      continue;
    }
    for (Wanted& each : *wanted) all.push_back(std::move(each));
  }
  // The old ones go first: a wildcard may take the place of an address.
  std::map<std::string, Bound> kept;
  for (const Wanted& each : all) {
    const auto found = bound_.find(each.type + " " + each.name);
    if (found != bound_.end()) kept.insert(bound_.extract(found));
  }
  for (const auto& [key, old] : bound_)
    if (old.type != "inet") ::unlink(old.name.c_str());
  bound_ = std::move(kept);
  for (const Wanted& each : all) {
    const std::string key = each.type + " " + each.name;
    const auto present = bound_.find(key);
    if (present != bound_.end()) {
      present->second.service = each.service;
      continue;
    }
    Result<Fd> socket = bind_any(each);
    if (!socket)
      remember(socket.trouble());
    else if (socket->valid())
      bound_.emplace(key, Bound{each.service, each.type, each.name,
                                std::move(*socket)});
  }
  if (first) return *first;
  return {};
}

std::vector<ipc::ListenerWire> Listeners::of(
    const std::vector<config::ServiceRow>& rows) const {
  std::vector<ipc::ListenerWire> result;
  for (const config::ServiceRow& row : rows)
    for (const auto& [key, each] : bound_) {
      if (each.service != row.name || each.type != row.type) continue;
      Fd copy(::fcntl(each.socket.get(), F_DUPFD_CLOEXEC, 4));
      result.push_back({each.service, each.type, each.name, std::move(copy)});
    }
  return result;
}

}  // namespace postern::master
