// Between master and every daemon, over the control link that a daemon has
// from birth (descriptor 3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"
#include "common/os/fd.h"

namespace postern::ipc {

// One line of main.conf as master read it. Daemons never open it: all of them
// see one snapshot, and the file may be readable by root alone.
struct SettingWire {
  std::string name;
  std::string value;
  std::string file;
  std::int64_t line = 0;
  static constexpr auto wire() {
    return message("setting", field("name", &SettingWire::name),
                   field("value", &SettingWire::value),
                   field("file", &SettingWire::file),
                   field("line", &SettingWire::line));
  }
};

// One socket bound by master.
struct ListenerWire {
  std::string service;  // name of the row
  std::string type;     // inet, unix, fifo, pass, unix-dgram
  std::string name;     // "public/showq", "0.0.0.0:25", "[::1]:25"
  Fd socket;
  static constexpr auto wire() {
    return message("listener", field("service", &ListenerWire::service),
                   field("type", &ListenerWire::type),
                   field("name", &ListenerWire::name),
                   field("socket", &ListenerWire::socket));
  }
};

// A row of master.conf: the daemon's own (first) and those it hosts; qmgr is
// told of all delivery rows, so that it knows which transports exist.
struct RowWire {
  std::string name;
  std::string type;
  std::string program;  // "smtpd", "bounce", …
  std::int64_t maxproc = 0;  // 0: no limit
  bool chroot = false;
  bool private_ = true;
  std::vector<std::pair<std::string, std::string>> overrides;  // -o
  std::vector<std::string> arguments;                          // all others
  static constexpr auto wire() {
    return message("row", field("name", &RowWire::name),
                   field("type", &RowWire::type),
                   field("program", &RowWire::program),
                   field("maxproc", &RowWire::maxproc),
                   field("chroot", &RowWire::chroot),
                   field("private", &RowWire::private_),
                   field("overrides", &RowWire::overrides),
                   field("arguments", &RowWire::arguments));
  }
};

// The first message, master to daemon.
struct Welcome {
  std::string config_directory;
  std::string service;  // the row this process runs
  std::vector<SettingWire> settings;
  std::vector<RowWire> rows;       // own row first, then hosted rows
  std::vector<RowWire> suite;      // every row of master.conf
  std::vector<ListenerWire> listeners;
  Fd log_file;                     // maillog_file, opened for appending
  bool as_root = false;            // the suite was started by root
  std::string command_tag;         // syslog_name/program of the own row
  static constexpr auto wire() {
    return message("control.welcome",
                   field("config_directory", &Welcome::config_directory),
                   field("service", &Welcome::service),
                   field("settings", &Welcome::settings),
                   field("rows", &Welcome::rows),
                   field("suite", &Welcome::suite),
                   field("listeners", &Welcome::listeners),
                   field("log_file", &Welcome::log_file),
                   field("as_root", &Welcome::as_root),
                   field("command_tag", &Welcome::command_tag));
  }
};

// Daemon to master: locked and serving. `sessions` is how many clients it
// serves; `full` asks master to start another process for further clients
// (and tells that this one does not accept meanwhile).
struct Ready {
  bool full = false;
  std::int64_t sessions = 0;
  static constexpr auto wire() {
    return message("control.ready", field("full", &Ready::full),
                   field("sessions", &Ready::sessions));
  }
};

// Queue manager that drains, to master: the files of `under_way` messages are
// locked until they are settled; a successor may take the rest of the queue.
struct HandedOver {
  std::int64_t under_way = 0;
  static constexpr auto wire() {
    return message("control.handed_over",
                   field("under_way", &HandedOver::under_way));
  }
};

// Master to daemon: all processes of your row that may run do, and are full
// (`on`): the service is under stress; or no longer.
struct Stress {
  bool on = false;
  static constexpr auto wire() {
    return message("control.stress", field("on", &Stress::on));
  }
};

// Daemon to master: connect me to a service (a row's name).
struct LinkAnswer {
  Fd socket;
  std::string peer_role;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("control.link.answer", field("socket", &LinkAnswer::socket),
                   field("peer_role", &LinkAnswer::peer_role),
                   field("trouble", &LinkAnswer::trouble));
  }
};
struct LinkRequest {
  using Answer = LinkAnswer;
  std::string service;
  static constexpr auto wire() {
    return message("control.link", field("service", &LinkRequest::service));
  }
};

// Master to daemon: the other end of such a link.
struct LinkArrival {
  std::string role;     // of the peer
  std::string service;  // the peer's row
  std::string target;   // the row that was asked for (own or hosted)
  Fd socket;
  static constexpr auto wire() {
    return message("control.link.arrival", field("role", &LinkArrival::role),
                   field("service", &LinkArrival::service),
                   field("target", &LinkArrival::target),
                   field("socket", &LinkArrival::socket));
  }
};

// local to master: a process that has become `user` (never by a name or id
// that the network chose: local has looked it up), for one purpose. The
// answer's socket leads to it; it ends when that socket closes. master judges
// the request by its own reading of the configuration (master/judge.h), and
// tells the process itself what it may do (common/service/permit.h).
struct WorkerRequest {
  using Answer = LinkAnswer;
  // "mailbox": a mailbox, and the user's forwarding files; "file": one that an
  // alias or such a file names; "list": the reader of an :include: file;
  // "command": a runner. For rows of pipe and spawn "command" needs no more:
  // user and program stand in the row.
  std::string purpose;
  std::int64_t uid = -1;
  std::int64_t gid = -1;
  std::string user;     // for supplementary groups; empty: none
  std::string path;     // of the mailbox or file; a maildir ends with a slash
  std::string command;  // text of the command
  // Who asks for the file or command: "mailbox_command",
  // "mailbox_command_maps", "alias", "forward", "include".
  std::string origin;
  std::string list;  // path of the :include: file that is to be read, or is
                     // the origin
  static constexpr auto wire() {
    return message("control.worker", field("purpose", &WorkerRequest::purpose),
                   field("uid", &WorkerRequest::uid),
                   field("gid", &WorkerRequest::gid),
                   field("user", &WorkerRequest::user),
                   field("path", &WorkerRequest::path),
                   field("command", &WorkerRequest::command),
                   field("origin", &WorkerRequest::origin),
                   field("list", &WorkerRequest::list));
  }
};

// Master to daemon: a row's wake-up timer has expired, or an administrator
// asked (`postqueue -f` reaches qmgr by its own socket, not this way).
struct Wakeup {
  std::string service;
  static constexpr auto wire() {
    return message("control.wakeup", field("service", &Wakeup::service));
  }
};

// Master to daemon: take no new work, finish what runs, exit. After a reload
// a new process already serves new clients.
struct Drain {
  bool reload = false;
  static constexpr auto wire() {
    return message("control.drain", field("reload", &Drain::reload));
  }
};

}  // namespace postern::ipc
