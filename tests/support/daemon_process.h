// One of our programs, confined, driven as master drives it: for tests that
// start a daemon alone.
#pragma once

#include <sys/types.h>

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/role.h"
#include "common/ipc/link.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::test {

// How long a test waits for another process.
inline constexpr Millis patience{20'000};

std::pair<Fd, Fd> socket_pair();

// Runs the program that the environment variable names with `control` as its
// descriptor 3, as `user` where the test runs as root.
pid_t start_program(const char* variable, std::vector<std::string> arguments,
                    int control, std::optional<uid_t> user = std::nullopt);

class DaemonProcess {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;

  // Makes a directory of its own; the program starts with start().
  DaemonProcess(const char* variable, Role role, std::string program);
  // Waits for the end of the program; removes the directory.
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  const std::string& directory() const { return directory_; }

  // `settings` are lines of main.conf; queue_directory and data_directory are
  // the process's directory unless they say otherwise.
  void start(Settings settings);
  bool await_ready();
  // A link as if `from` had asked master for one.
  std::unique_ptr<ipc::Link> link(Role from);
  template <class Q>
  Result<typename Q::Answer> ask(ipc::Link& link, Q question);
  // As above; the answer must come.
  template <class Q>
  typename Q::Answer get(ipc::Link& link, Q question);
  // Ends it as a stop of the suite does; its exit status.
  int drain();
  std::string log() const;

  Loop& loop() { return loop_; }
  ipc::Link& control() { return *control_; }

 private:
  template <class Q>
  static Task<void> call(ipc::Link* link, Q question,
                         std::optional<Result<typename Q::Answer>>* out);
  static Task<void> hear_ready(ipc::Link* link, bool* ready);
  void welcome(const Settings& settings);

  const char* variable_;
  Role role_;
  std::string program_;
  Loop loop_;
  std::string directory_;
  pid_t child_ = -1;
  std::optional<ipc::Link> control_;
};

template <class Q>
Task<void> DaemonProcess::call(ipc::Link* link, Q question,
                               std::optional<Result<typename Q::Answer>>* out) {
  Result<typename Q::Answer> answer = co_await link->call(question, patience);
  out->emplace(std::move(answer));
}

template <class Q>
Result<typename Q::Answer> DaemonProcess::ask(ipc::Link& link, Q question) {
  std::optional<Result<typename Q::Answer>> out;
  Nursery nursery;
  nursery.start(call(&link, std::move(question), &out));
  loop_.run_until([&] { return nursery.empty(); });
  return std::move(*out);
}

template <class Q>
typename Q::Answer DaemonProcess::get(ipc::Link& link, Q question) {
  Result<typename Q::Answer> answer = ask(link, std::move(question));
  INFO(log());
  REQUIRE(answer.ok());
  return std::move(*answer);
}

}  // namespace postern::test
