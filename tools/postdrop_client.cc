#include "tools/postdrop_client.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::tools {
namespace {

constexpr std::size_t write_size = 65536;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// "queued ID", or "refused STATUS TEXT" with an enhanced status code.
Result<std::string> parse_answer(std::string_view line) {
  line = trim(line);
  if (line.starts_with("queued ")) return std::string(line.substr(7));
  if (line.starts_with("refused ")) {
    line.remove_prefix(8);
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos && space > 2) {
      const std::string_view detail = line.substr(2, space - 2);
      const std::string text(line.substr(space + 1));
      return line[0] == '5' ? give_up(detail, text) : try_later(detail, text);
    }
  }
  return try_later("3.0", "queue file write error");
}

}  // namespace

void run_instead(const config::Config& config, const std::string& program,
                 const std::vector<std::string>& arguments) {
  const std::string path = config.get<"command_directory">() + "/" + program;
  std::vector<std::string> words = {program, "-c", config.directory()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::fflush(nullptr);
  ::execv(path.c_str(), pointers(words).data());
  std::fprintf(stderr, "%s: %s\n", path.c_str(),
               os::error_text(errno).c_str());
  std::exit(EX_TEMPFAIL);
}

Result<PostdropClient> PostdropClient::start(const config::Config& config) {
  int there[2], back[2];
  if (::pipe2(there, O_CLOEXEC) != 0)
    return os::system_trouble("make a pipe", errno);
  Fd child_in(there[0]);
  PostdropClient client;
  client.to_ = Fd(there[1]);
  if (::pipe2(back, O_CLOEXEC) != 0)
    return os::system_trouble("make a pipe", errno);
  client.from_ = Fd(back[0]);
  Fd child_out(back[1]);

  const std::string path = config.get<"command_directory">() + "/postdrop";
  std::vector<std::string> words = {"postdrop", "-r", "-c",
                                    config.directory()};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, child_in.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, child_out.get(), 1);
  const int error = ::posix_spawn(&client.child_, path.c_str(), &actions,
                                  nullptr, pointers(words).data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    client.child_ = -1;
    return os::system_trouble("run " + path, error);
  }
  return client;
}

PostdropClient::~PostdropClient() {
  to_.reset();
  reap();
}

void PostdropClient::reap() {
  if (child_ <= 0 || (!from_.valid() && !to_.valid())) return;
  from_.reset();
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
}

void PostdropClient::put(char type, std::string_view data) {
  put_record(unsent_, type, data);
  if (unsent_.size() >= write_size) flush();
}

void PostdropClient::put_attribute(std::string_view name,
                                   std::string_view value) {
  put(rec_attribute, fmt::format("{}={}", name, value));
}

void PostdropClient::flush() {
  if (to_ && !os::write_all(to_.get(), unsent_, "postdrop")) to_.reset();
  unsent_.clear();
}

Result<std::string> PostdropClient::finish() {
  put(rec_end, "");
  flush();
  to_.reset();
  std::string answer;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(from_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  reap();
  return parse_answer(answer);
}

}  // namespace postern::tools
