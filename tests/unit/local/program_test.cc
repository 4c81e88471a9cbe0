// Commands: how they are started and fed, and what their end means.
#include "local/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "common/log/log.h"
#include "common/os/files.h"
#include "local/exit_status.h"

namespace postern::local {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
constexpr std::int64_t patience = 30'000;

// As the runner does.
[[maybe_unused]] const auto pipes = ::signal(SIGPIPE, SIG_IGN);

// A file with the content, and nothing more.
struct Message {
  explicit Message(const std::string& text) {
    char name[] = "/tmp/postern-feed-XXXXXX";
    file = Fd(::mkstemp(name));
    REQUIRE(file.valid());
    ::unlink(name);
    REQUIRE(os::write_all(file.get(), text, "write").ok());
    content = {file.get(), 0, static_cast<std::int64_t>(text.size())};
  }
  Fd file;
  Content content;
};

std::string all_of(Feed& feed) {
  std::string all;
  for (;;) {
    const Result<std::string> piece = feed.next();
    REQUIRE(piece.ok());
    if (piece->empty()) return all;
    all += *piece;
  }
}

TEST_CASE("a message is fed as the command needs it") {
  const struct {
    const char* text;
    FeedRules rules;
    const char* expected;
  } cases[] = {
      {"a\nb\n", {}, "H: x\na\nb\n"},
      {"no end", {}, "H: x\nno end\n"},
      {"", {}, "H: x\n"},
      {"", {"\n", false, false, true}, "H: x\n\n"},
      {"a\r\nb\n", {"\r\n", false, false, false}, "H: x\r\na\r\r\nb\r\n"},
      {".\n..x\na.b\n.", {"\n", true, false, false},
       "H: x\n..\n...x\na.b\n..\n"},
      {"From x\nFrom", {"\n", false, true, true},
       "H: x\n>From x\nFrom\n\n"},
      {"From x\n.\n", {"|", true, true, false}, "H: x|>From x|..|"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text, each.rules.line_end);
    const Message message(each.text);
    Feed feed(message.content, "H: x\n", each.rules);
    CHECK(all_of(feed) == each.expected);
  }
}

TEST_CASE("hard content passes byte by byte") {
  std::string hard = "Subject: x\n\n";
  for (int i = 0; i < 256; ++i) hard += static_cast<char>(i);
  hard += "\n" + std::string(998, 'l') + "\n" + std::string(3'000'000, '\0');
  const Message message(hard);
  Feed feed(message.content, "", {});
  CHECK(all_of(feed) == hard + "\n");
}

TEST_CASE("a message that ends too early is no message") {
  Message message("short");
  message.content.size = 100;
  Feed feed(message.content, "", {});
  Result<std::string> piece = feed.next();
  while (piece && !piece->empty()) piece = feed.next();
  REQUIRE_FALSE(piece.ok());
  CHECK(piece.trouble().text == "error reading message: it ends too early");
}

TEST_CASE("the shell is asked only where it is needed") {
  using Argvs = std::vector<Words>;
  const auto shell = [](const char* text) {
    return Words{"/bin/sh", "-c", text};
  };
  CHECK(shell_argvs("/bin/x -a b", "") ==
        Argvs{{"/bin/x", "-a", "b"}, shell("/bin/x -a b")});
  CHECK(shell_argvs("exit 3", "") == Argvs{{"exit", "3"}, shell("exit 3")});
  for (const char* text : {"a > b", "$x", "a;b", "`a`", "'a'", "a|b", "*", ""})
    CHECK(shell_argvs(text, "") == Argvs{shell(text)});
  CHECK(shell_argvs("a; b", "/usr/bin/smrsh -c") ==
        Argvs{{"/usr/bin/smrsh", "-c", "a; b"}});
}

ipc::RunAnswer run(const std::string& command, const std::string& message,
                   std::int64_t limit = patience,
                   const std::string& directory = "/") {
  Program program;
  program.argvs = shell_argvs(command, "");
  program.environment = {"PATH=/usr/bin:/bin", "SENDER=s@x.test"};
  program.directory = directory;
  program.tag = "postern/local";
  Result<Running> running = Running::start(program);
  REQUIRE(running.ok());
  running->go();
  const Message content(message);
  Feed feed(content.content, "", {});
  return running->see_to_its_end(&feed, limit, -1);
}

int exit_of(const ipc::RunAnswer& answer) {
  const int status = static_cast<int>(answer.status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_CASE("a command reads the message, and what it says is kept") {
  const auto cat = run("cat", "Subject: x\n\ntext\n");
  CHECK(exit_of(cat) == 0);
  CHECK(cat.output == "Subject: x\n\ntext\n");
  const auto both = run("echo out; echo err >&2; exit 3", "x\n");
  CHECK(exit_of(both) == 3);
  CHECK(both.output == "out\nerr\n");
  const auto env = run("env", "x\n");
  CHECK(env.output.find("SENDER=s@x.test\n") != std::string::npos);
  CHECK(env.output.find("HOME=") == std::string::npos);
  CHECK(run("pwd", "x\n").output == "/\n");
  CHECK(exit_of(run("kill -9 $$", "x\n")) == -9);
}

TEST_CASE("a large message arrives whole, and much output does no harm") {
  const std::string large(20'000'000, 'x');
  CHECK(run("wc -c", large).output.find("20000001") != std::string::npos);
  const auto loud = run("cat", large);
  CHECK(exit_of(loud) == 0);
  CHECK(loud.output.size() == 4095);
}

TEST_CASE("a command need not read what it does not want") {
  CHECK(exit_of(run("exit 0", std::string(20'000'000, 'x'))) == 0);
  CHECK(exit_of(run("exec <&-; exit 7", std::string(20'000'000, 'x'))) == 7);
}

TEST_CASE("no descriptor but three is open in a command") {
  const Fd secret(::open("/dev/zero", O_RDONLY));
  CHECK(run("ls /proc/self/fd", "x\n").output == "0\n1\n2\n3\n");
}

TEST_CASE("what cannot be started is a temporary failure") {
  const auto none = run("/nonexistent/prog x", "x\n");
  CHECK(exit_of(none) == 75);
  CHECK(none.output ==
        "local: fatal: execvp /nonexistent/prog: No such file or directory\n");
  const auto nowhere = run("true", "x\n", patience, "/nonexistent");
  CHECK(exit_of(nowhere) == 75);
  CHECK(nowhere.output.empty());
}

TEST_CASE("time limits end the whole process group") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  // Both processes hold the pipe's end: it closes when both are gone.
  const std::string held = "/proc/" + std::to_string(::getpid()) + "/fd/" +
                           std::to_string(ends[1]);
  const auto answer =
      run("exec 9>" + held + "; echo begun; sleep 600 & sleep 600", "x\n",
          1'000);
  ::close(ends[1]);
  CHECK(answer.timed_out);
  CHECK(exit_of(answer) == -SIGKILL);
  CHECK(answer.output == "begun\n");
  char byte;
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
}

TEST_CASE("a command that nobody waits for is ended") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  ::close(ends[1]);
  Program program;
  program.argvs = {{"/bin/sleep", "600"}};
  Result<Running> running = Running::start(program);
  REQUIRE(running.ok());
  running->go();
  const auto answer = running->see_to_its_end(nullptr, patience, ends[0]);
  CHECK(exit_of(answer) == -SIGKILL);
  ::close(ends[0]);
}

TEST_CASE("a command waits until its runner is confined") {
  Program program;
  program.argvs = {{"/bin/true"}};
  pid_t pid = -1;
  {
    Result<Running> running = Running::start(program);
    REQUIRE(running.ok());
    pid = running->pid();
    // It has not become another program, and goes with its runner.
    std::string link(256, '\0');
    const auto n = ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(),
                              link.data(), link.size());
    REQUIRE(n > 0);
    CHECK(link.find("test_local") != std::string::npos);
  }
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a command that waits holds nothing that is worth stealing") {
  char name[] = "/tmp/postern-secret-XXXXXX";
  const Fd secret(::mkstemp(name));
  REQUIRE(secret.valid());
  Program program;
  program.argvs = {{"/bin/true"}};
  Result<Running> running = Running::start(program);
  REQUIRE(running.ok());
  const std::string place = "/proc/" + std::to_string(running->pid()) + "/fd";
  const auto holds_secret = [&] {
    for (const auto& entry : fs::directory_iterator(place)) {
      std::error_code gone;
      if (fs::read_symlink(entry.path(), gone) == name) return true;
    }
    return false;
  };
  for (int i = 0; i < 3000 && holds_secret(); ++i) ::poll(nullptr, 0, 10);
  CHECK_FALSE(holds_secret());
  // Three streams, the gate, the message, the output, and words for the log.
  CHECK(std::distance(fs::directory_iterator(place), {}) <= 7);
  ::unlink(name);
}

TEST_CASE("what keeps a command from running is in the log") {
  char name[] = "/tmp/postern-log-XXXXXX";
  const Fd file(::mkstemp(name));
  log::Destination destination;
  destination.file = file.get();
  log::set_destination(destination);
  run("true", "x\n", patience, "/nonexistent");
  log::set_destination({});
  const auto text = os::read_at(file.get(), 4096, 0, "read");
  ::unlink(name);
  REQUIRE(text.ok());
  CAPTURE(*text);
  CHECK(text->find("fatal: cannot change directory to \"/nonexistent\"") !=
        std::string::npos);
}

TEST_CASE("a connection is all three streams of a spawned program") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Program program;
  program.argvs = shell_argvs("read x; echo got $x; echo err >&2", "");
  program.environment = {"PATH=/usr/bin:/bin"};
  program.connection = ends[1];
  Result<Running> running = Running::start(program);
  REQUIRE(running.ok());
  running->go();
  ::close(ends[1]);
  REQUIRE(::write(ends[0], "hello\n", 6) == 6);
  CHECK(exit_of(running->see_to_its_end(nullptr, patience, -1)) == 0);
  char buffer[64] = "";
  REQUIRE(::read(ends[0], buffer, sizeof buffer - 1) > 0);
  CHECK(std::string(buffer) == "got hello\nerr\n");
  ::close(ends[0]);
}

TEST_CASE("the end of a command is the fate of the message") {
  const auto exited = [](int code) { return code << 8; };
  const struct {
    int status;
    const char* output;
    const char* dsn;
    const char* text;
  } cases[] = {
      {exited(1), "", "5.3.0", "Command died with status 1: \"/x\""},
      {exited(99), "why\nnot\n", "5.3.0",
       "Command died with status 99: \"/x\". Command output: why not "},
      {9, "", "4.3.0", "Command died with signal 9: \"/x\""},
      {9, "4.2.2 said\n", "4.3.0",
       "Command died with signal 9: \"/x\". Command output: 4.2.2 said "},
      {exited(64), "", "5.3.0", "command line usage error"},
      {exited(65), "", "5.6.0", "data format error"},
      {exited(66), "", "5.3.0", "cannot open input"},
      {exited(67), "", "5.1.1", "user unknown"},
      {exited(68), "", "5.1.2", "host name unknown"},
      {exited(69), "", "5.3.0", "service unavailable"},
      {exited(70), "", "5.3.0", "internal software error"},
      {exited(71), "", "4.3.0", "system resource problem"},
      {exited(72), "", "5.3.0", "critical OS file missing"},
      {exited(73), "", "5.2.0", "can't create user output file"},
      {exited(74), "", "5.3.0", "input/output error"},
      {exited(75), "x", "4.3.0", "temporary failure. Command output: x"},
      {exited(76), "", "5.5.0", "remote error in protocol"},
      {exited(77), "", "5.7.0", "permission denied"},
      {exited(78), "", "5.3.5", "local configuration error"},
      {exited(79), "", "5.3.0", "Command died with status 79: \"/x\""},
      {exited(75), "5.7.1 no\n", "5.7.1", "no "},
      {exited(1), "4.2.2 full", "4.2.2", "full"},
      {exited(1), "2.0.0 fine", "5.3.0",
       "Command died with status 1: \"/x\". Command output: 2.0.0 fine"},
      {exited(1), "4.2.2x", "5.3.0",
       "Command died with status 1: \"/x\". Command output: 4.2.2x"},
      {exited(1), "\x1b[1m", "5.3.0",
       "Command died with status 1: \"/x\". Command output: _[1m"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.status, each.output);
    ipc::RunAnswer ended;
    ended.status = each.status;
    ended.output = each.output;
    const Status status = judge_exit(ended, "/x");
    REQUIRE_FALSE(status.ok());
    CHECK(status.trouble().status() == each.dsn);
    CHECK(status.trouble().text == each.text);
  }
  ipc::RunAnswer good;
  good.output = "5.0.0 whatever";
  CHECK(judge_exit(good, "/x").ok());
  ipc::RunAnswer late;
  late.timed_out = true;
  late.status = 9;
  CHECK(judge_exit(late, "/x").trouble().text ==
        "Command time limit exceeded: \"/x\"");
  CHECK(judge_exit(late, "/x").trouble().status() == "5.3.0");
}

TEST_CASE("a notice has a program's own words, or what its end means") {
  const auto exited = [](int code) { return code << 8; };
  struct {
    int status;
    const char* output;
    const char* said;
  } const cases[] = {
      {exited(67), "nobody here\n", "nobody here "},
      {exited(67), "", "user unknown"},
      {exited(64), "5.7.1 not you", "not you"},
      {exited(3), "", "unknown mail system error 3"},
      {9, "", "killed by signal 9"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.status, each.output);
    ipc::RunAnswer ended;
    ended.status = each.status;
    ended.output = each.output;
    CHECK(said_by_program(ended) == each.said);
  }
  ipc::RunAnswer late;
  late.timed_out = true;
  CHECK(said_by_program(late) == "time limit exceeded");
}

}  // namespace
}  // namespace postern::local
