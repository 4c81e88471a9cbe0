#include "tools/sasldb_dump.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::tools {
namespace {

constexpr int not_found = 127;
// Berkeley DB is also installed under names with its version.
constexpr const char* names[] = {"db_dump", "db5.3_dump", "db_dump185"};

struct Output {
  std::string text;
  int status = -1;
};

Result<Output> run(const char* program, const std::string& path) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os::system_trouble("pipe", errno);
  Fd reading(ends[0]), writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return os::system_trouble("fork", errno);
  if (child == 0) {
    ::dup2(writing.get(), STDOUT_FILENO);
    ::execlp(program, program, "-p", path.c_str(), nullptr);
    ::_exit(not_found);
  }
  writing.reset();
  Output output;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(reading.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    output.text.append(buffer, static_cast<std::size_t>(count));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

}  // namespace

Result<std::string> dump_berkeley_db(const std::string& path) {
  for (const char* name : names) {
    Result<Output> output = run(name, path);
    if (!output) return output.trouble();
    if (output->status == not_found) continue;
    if (output->status == 0) return std::move(output->text);
    return give_up("0.0", std::string(name) + " cannot read " + path);
  }
  return give_up("0.0",
                 "reading " + path +
                     " needs the program db_dump (Debian's package db-util)");
}

}  // namespace postern::tools
