// Writing mailboxes: the exact bytes, and what is left after a failure.
#include "local/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "common/os/files.h"
#include "local/content_copy.h"
#include "common/os/mailbox_lock.h"

namespace postern::local {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  Scratch() {
    char name[] = "/tmp/postern-store-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Scratch() { fs::remove_all(path); }
  std::string path;
};

std::string content_of(const std::string& path) {
  const auto text = os::read_file(path);
  return text ? *text : "(" + text.trouble().text + ")";
}

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  ::chmod(path.c_str(), 0600);
}

struct Request : ipc::StoreRequest {
  std::string path;
  std::string origin;
  std::string list;
};

// As a worker with a permit for that path.
ipc::StoreAnswer store(const Request& request) {
  Permit permit;
  permit.path = request.path;
  permit.origin = request.origin;
  permit.list = request.list;
  return local::store(permit, request);
}

// A queue file: something before and after the content.
Request request_for(const Scratch& scratch, const std::string& path,
                              const std::string& content) {
  const std::string queue_file = scratch.path + "/queue-file";
  put(queue_file, "before" + content + "after");
  Request request;
  request.path = path;
  request.separator = "From a@example.com  Sun Nov 22 18:00:00 2026";
  request.headers = "Return-Path: <a@example.com>\n";
  request.locks = {"fcntl", "dotlock"};
  request.lock_attempts = 2;
  request.lock_delay = Millis(10);
  request.content_offset = 6;
  request.content_size = static_cast<std::int64_t>(content.size());
  auto opened = os::open_file(queue_file, O_RDONLY);
  REQUIRE(opened.ok());
  request.message = std::move(*opened);
  return request;
}

std::string quoted(const std::string& text, std::size_t piece) {
  FromQuoter quoter;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece)
    quoter.feed(std::string_view(text).substr(i, piece), out);
  quoter.finish(out);
  return out;
}

TEST_CASE("lines that look like separators are quoted, however text is cut") {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"a\n", "a\n"},
      {"no end", "no end\n"},
      {"From the start\n", ">From the start\n"},
      {">From quoted\n", ">From quoted\n"},
      {" From indented\n", " From indented\n"},
      {"x\n\nFrom \n", "x\n\n>From \n"},
      {"From", "From\n"},
      {"Fr\nFrom\nFrom x", "Fr\nFrom\n>From x\n"},
      {"FFrom x\nFroFrom y\n", "FFrom x\nFroFrom y\n"},
      {"\n\n\n", "\n\n\n"},
      {"from lower\n", "from lower\n"},
  };
  for (const auto& [text, expected] : cases)
    for (std::size_t piece = 1; piece <= 8; ++piece) {
      CAPTURE(text, piece);
      CHECK(quoted(text, piece) == expected);
    }
}

TEST_CASE("an mbox gets separator, headers, content and an empty line") {
  Scratch scratch;
  const std::string box = scratch.path + "/alice";
  const auto first = request_for(scratch, box, "Subject: x\n\nFrom here\n");
  CHECK(store(first).text == "delivered to mailbox");
  const auto second = request_for(scratch, box, "Subject: y\n\nno end");
  CHECK_FALSE(store(second).trouble.present);
  CHECK(content_of(box) ==
        "From a@example.com  Sun Nov 22 18:00:00 2026\n"
        "Return-Path: <a@example.com>\n"
        "Subject: x\n\n>From here\n\n"
        "From a@example.com  Sun Nov 22 18:00:00 2026\n"
        "Return-Path: <a@example.com>\n"
        "Subject: y\n\nno end\n\n");
  struct stat facts;
  REQUIRE(::stat(box.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  CHECK_FALSE(fs::exists(box + ".lock"));
}

TEST_CASE("a message after one that was cut off begins on a line of its own") {
  Scratch scratch;
  const std::string box = scratch.path + "/alice";
  const std::string message =
      "From a@example.com  Sun Nov 22 18:00:00 2026\n"
      "Return-Path: <a@example.com>\nx\n\n";
  const struct {
    const char* old;
    const char* between;
  } cases[] = {
      {"", ""},
      {"From x\n\nzzzz", "\n\n"},
      {"From x\n\nzzzz\n", ""},
      {"From x\n\nzzzz\n\n", ""},
  };
  for (const auto& [old, between] : cases) {
    CAPTURE(old);
    put(box, old);
    const auto answer = store(request_for(scratch, box, "x\n"));
    CHECK_FALSE(answer.trouble.present);
    const std::string before = std::string(old) + between;
    CHECK(content_of(box) == before + message);
    CHECK(answer.offset == static_cast<std::int64_t>(before.size()));
  }
  // What fails takes that line end back with it.
  put(box, "From x\n\nzzzz");
  auto request = request_for(scratch, box, std::string(1000, 'x'));
  request.size_limit = 500;
  CHECK(store(request).trouble.present);
  CHECK(content_of(box) == "From x\n\nzzzz");
}

TEST_CASE("a large message is copied whole") {
  Scratch scratch;
  std::string content;
  while (content.size() < 700'000)
    content += "From line " + std::to_string(content.size()) + "\n";
  const auto request = request_for(scratch, scratch.path + "/big", content);
  REQUIRE_FALSE(store(request).trouble.present);
  const std::string stored = content_of(scratch.path + "/big");
  CHECK(stored.ends_with(quoted(content, content.size()) + "\n"));
}

TEST_CASE("what is no mailbox of the recipient is not written to") {
  Scratch scratch;
  const std::string box = scratch.path + "/box";
  const std::string other = scratch.path + "/other";
  put(other, "other\n");
  std::string expected;
  SECTION("a symbolic link") {
    fs::create_symlink(other, box);
    expected = "cannot open file: it is a symbolic link";
  }
  SECTION("a hard link") {
    fs::create_hard_link(other, box);
    expected = "file has 2 hard links";
  }
  SECTION("a directory") {
    fs::create_directory(box);
    expected = "cannot open file: Is a directory";
  }
  SECTION("a pipe that somebody reads") {
    REQUIRE(::mkfifo(box.c_str(), 0600) == 0);
    const Fd reader(::open(box.c_str(), O_RDONLY | O_NONBLOCK));
    const auto answer = store(request_for(scratch, box, "x\n"));
    CHECK(answer.trouble.text == "file is not a regular file");
    return;
  }
  SECTION("another's file") {
    if (::geteuid() != 0) return;
    put(box, "old\n");
    REQUIRE(::chown(box.c_str(), 65534, 65534) == 0);
    expected = "destination " + box + " is not owned by recipient";
    auto lenient = request_for(scratch, box, "x\n");
    lenient.strict_ownership = false;
    CHECK_FALSE(store(lenient).trouble.present);
  }
  const auto answer = store(request_for(scratch, box, "x\n"));
  CHECK(answer.trouble.text == expected);
  CHECK_FALSE(answer.trouble.permanent);
  CHECK(answer.trouble.detail == "2.0");
  CHECK(content_of(other) == "other\n");
}

TEST_CASE("a locked mailbox is left alone") {
  Scratch scratch;
  const std::string box = scratch.path + "/box";
  put(box, "old\n");
  auto request = request_for(scratch, box, "x\n");
  std::string expected;
  SECTION("by a lock file") {
    put(box + ".lock", "");
    expected = "unable to create lock file " + box + ".lock: File exists";
  }
  SECTION("in a directory that does not exist") {
    request.path = scratch.path + "/none/box";
    expected = "unable to create lock file " + request.path +
               ".lock: No such file or directory";
  }
  SECTION("by another process") {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const int fd = ::open(box.c_str(), O_RDWR);
      struct flock whole {};
      whole.l_type = F_WRLCK;
      ::fcntl(fd, F_SETLK, &whole);
      (void)!::write(ready[1], "x", 1);
      ::pause();
      ::_exit(0);
    }
    char c;
    REQUIRE(::read(ready[0], &c, 1) == 1);
    const auto answer = store(request);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    CHECK(answer.trouble.text ==
          "unable to lock for exclusive access: Resource temporarily "
          "unavailable");
    CHECK_FALSE(fs::exists(box + ".lock"));
    CHECK(content_of(box) == "old\n");
    return;
  }
  SECTION("by flock") {
    request.locks = {"flock"};
    const Fd holder(::open(box.c_str(), O_RDWR));
    REQUIRE(::flock(holder.get(), LOCK_EX) == 0);
    expected =
        "unable to lock for exclusive access: Resource temporarily "
        "unavailable";
    const auto answer = store(request);
    CHECK(answer.trouble.text == expected);
    return;
  }
  const auto answer = store(request);
  CHECK(answer.trouble.text == expected);
  CHECK(answer.trouble.detail == "2.0");
  CHECK_FALSE(answer.trouble.permanent);
  CHECK(content_of(box) == "old\n");
}

TEST_CASE("a lock file that a crash left behind is taken over") {
  Scratch scratch;
  const std::string box = scratch.path + "/box";
  put(box + ".lock", "");
  auto request = request_for(scratch, box, "x\n");
  request.stale_lock = Millis(0);
  CHECK_FALSE(store(request).trouble.present);
  CHECK_FALSE(fs::exists(box + ".lock"));
}

// The kernel refuses to let files grow beyond a size, as a full quota does.
class GrowthLimit {
 public:
  explicit GrowthLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_) == 0);
    const rlimit limit{bytes, old_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~GrowthLimit() { ::setrlimit(RLIMIT_FSIZE, &old_); }

 private:
  rlimit old_{};
};

TEST_CASE("a failed write leaves the mailbox as it was") {
  Scratch scratch;
  const std::string box = scratch.path + "/box";
  const std::string old = "From old\n\nold\n\n";
  put(box, old);
  auto request = request_for(scratch, box, std::string(500'000, 'x'));
  ipc::StoreAnswer answer;
  SECTION("when the configured size is reached") {
    request.size_limit = 400'000;
    answer = store(request);
  }
  SECTION("when the system refuses") {
    GrowthLimit limit(300'000);
    answer = store(request);
  }
  CHECK(answer.trouble.text == "error writing message: File too large");
  CHECK(answer.trouble.permanent);
  CHECK(answer.trouble.detail == "2.2");
  CHECK(content_of(box) == old);
  CHECK_FALSE(fs::exists(box + ".lock"));
}

TEST_CASE("a queue file that ends too early is not delivered in part") {
  Scratch scratch;
  for (const char* name : {"/box", "/Maildir/"}) {
    auto request = request_for(scratch, scratch.path + name, "x\n");
    request.content_size = 1000;
    const auto answer = store(request);
    CHECK(answer.trouble.text == "error reading message: it ends too early");
  }
  CHECK(content_of(scratch.path + "/box").empty());
  CHECK(fs::is_empty(scratch.path + "/Maildir/new"));
  CHECK(fs::is_empty(scratch.path + "/Maildir/tmp"));
}

TEST_CASE("a Maildir is made, and gets each message as a file") {
  Scratch scratch;
  const std::string path = scratch.path + "/home/Maildir/";
  const auto request = request_for(scratch, path, "Subject: x\n\nFrom y");
  CHECK(store(request).text == "delivered to maildir");
  CHECK(store(request).text == "delivered to maildir");
  CHECK(fs::is_empty(path + "tmp"));
  CHECK(fs::is_empty(path + "cur"));
  int files = 0;
  for (const auto& entry : fs::directory_iterator(path + "new")) {
    ++files;
    CHECK(content_of(entry.path()) ==
          "Return-Path: <a@example.com>\nSubject: x\n\nFrom y\n");
    const std::string name = entry.path().filename();
    CAPTURE(name);
    CHECK(name.find(".V") != std::string::npos);
    CHECK(name.find(':') == std::string::npos);
  }
  CHECK(files == 2);
}

TEST_CASE("a failed write leaves nothing in a Maildir") {
  Scratch scratch;
  const std::string path = scratch.path + "/Maildir/";
  auto request = request_for(scratch, path, std::string(500'000, 'x'));
  ipc::StoreAnswer answer;
  {
    GrowthLimit limit(300'000);
    answer = store(request);
  }
  CHECK(answer.trouble.text == "error writing message: File too large");
  CHECK(answer.trouble.permanent);
  CHECK(fs::is_empty(path + "tmp"));
  CHECK(fs::is_empty(path + "new"));
}

TEST_CASE("an ordinary user delivers where that user may, and only there") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  ::chmod(scratch.path.c_str(), 0755);
  const std::string own = scratch.path + "/own";
  fs::create_directory(own);
  REQUIRE(::chown(own.c_str(), 65534, 65534) == 0);
  const auto good = request_for(scratch, own + "/box", "x\n");
  const auto bad = request_for(scratch, scratch.path + "/box", "x\n");
  const auto maildir = request_for(scratch, scratch.path + "/Maildir/", "x\n");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    int wrong = 0;
    if (store(good).trouble.present) wrong |= 1;
    if (store(bad).trouble.text != "unable to create lock file " +
                                       scratch.path +
                                       "/box.lock: Permission denied")
      wrong |= 2;
    const auto refused = store(maildir);
    if (!refused.trouble.present || refused.trouble.permanent) wrong |= 4;
    ::_exit(wrong);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  struct stat facts;
  REQUIRE(::stat((own + "/box").c_str(), &facts) == 0);
  CHECK(facts.st_uid == 65534);
}

TEST_CASE("the view of a worker is the nearest directory that exists") {
  Scratch scratch;
  put(scratch.path + "/file", "");
  const std::pair<std::string, std::string> cases[] = {
      {scratch.path, scratch.path},
      {scratch.path + "/", scratch.path + "/"},
      {scratch.path + "/a/b/", scratch.path},
      {scratch.path + "/file/x", scratch.path},
      {"/", "/"},
      {"relative", ""},
      {"", ""},
  };
  for (const auto& [path, expected] : cases) {
    CAPTURE(path);
    CHECK(nearest_directory(path) == expected);
  }
}

}  // namespace
}  // namespace postern::local
