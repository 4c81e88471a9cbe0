// Questions about addresses, with probes that the test ends.
#include "lookup/verifier.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdlib>
#include <fstream>

using namespace postern;
using namespace postern::lookup;

namespace {

constexpr std::int64_t day = 86400;

class Directory {
 public:
  Directory() { path = ::mkdtemp(name_); }
  ~Directory() {
    for (const char* file : {"/c.db", "/c.db.damaged"})
      ::unlink((path + file).c_str());
    ::rmdir(path.c_str());
  }
  std::string path;

 private:
  char name_[32] = "/tmp/postern-verify-XXXXXX";
};

class Bench {
 public:
  explicit Bench(const std::string& path = "", bool negative_cache = true) {
    log::set_recorder([this](std::string_view, log::Severity,
                             std::string_view text) {
      lines += std::string(text) + "\n";
    });
    auto cache = tables::CacheFile::open(path, [this](const std::string& line) {
      lines += line + "\n";
    });
    REQUIRE(cache);
    verifier = std::make_unique<Verifier>(
        std::move(*cache),
        VerificationRules{31 * day, 7 * day, 3 * day, 3 * 3600,
                          negative_cache},
        [this](std::string address, bool) { return probe(std::move(address)); },
        log::Log("postern/verify"));
    verifier->set_clock([this] { return now; });
  }
  ~Bench() { log::set_recorder({}); }

  Task<Status> probe(std::string address) {
    probes.push_back(std::move(address));
    if (failing) co_return try_later("3.0", "no cleanup");
    co_return Status();
  }

  void ask(const std::string& address, Millis wait, ipc::VerifyAnswer* out) {
    ipc::VerifyFind question;
    question.address = address;
    question.wait = wait.count();
    nursery.start(keep(verifier->find(std::move(question)), out));
  }
  static Task<void> keep(Task<ipc::VerifyAnswer> task, ipc::VerifyAnswer* out) {
    *out = co_await std::move(task);
  }
  ipc::VerifyAnswer ask_now(const std::string& address) {
    ipc::VerifyAnswer out;
    ask(address, Millis(0), &out);
    loop.run_until([&] { return nursery.empty(); });
    return out;
  }
  void end(const std::string& address, std::int64_t status, const char* text) {
    ipc::VerifyNote note;
    note.address = address;
    note.status = status;
    note.text = text;
    verifier->note(note);
  }

  Loop loop;
  std::int64_t now = 1'700'000'000;
  std::string lines;
  std::vector<std::string> probes;
  bool failing = false;
  std::unique_ptr<Verifier> verifier;
  Nursery nursery;
};

}  // namespace

TEST_CASE("a new address is probed once, and who waits hears the result") {
  Bench b;
  ipc::VerifyAnswer first, second;
  b.ask("a@b.test", Seconds(60), &first);
  b.ask("a@b.test", Seconds(60), &second);
  CHECK(b.probes == std::vector<std::string>{"a@b.test"});
  b.end("a@b.test", ipc::verify_undeliverable, "said: 550");
  b.loop.run_until([&] { return b.nursery.empty(); });
  CHECK(first.status == ipc::verify_undeliverable);
  CHECK(second.text == "said: 550");
  CHECK(b.ask_now("a@b.test").status == ipc::verify_undeliverable);
  CHECK(b.probes.size() == 1);
}

TEST_CASE("who does not wait long enough hears that it is under way") {
  Bench b;
  ipc::VerifyAnswer answer;
  b.ask("a@b.test", Millis(20), &answer);
  b.loop.run_until([&] { return b.nursery.empty(); });
  CHECK(answer.status == ipc::verify_todo);
  CHECK(answer.text == "Address verification in progress");
  CHECK(b.ask_now("a@b.test").status == ipc::verify_todo);
  CHECK(b.probes.size() == 1);
}

TEST_CASE("what was found out survives a restart") {
  const Directory directory;
  const std::string path = directory.path + "/c.db";
  {
    Bench b(path);
    b.ask_now("a@b.test");
    b.end("a@b.test", ipc::verify_deliverable, "fine");
  }
  Bench b(path);
  const ipc::VerifyAnswer answer = b.ask_now("a@b.test");
  CHECK(answer.status == ipc::verify_deliverable);
  CHECK(answer.text == "fine");
  CHECK(b.probes.empty());
}

TEST_CASE("a spoilt file is set aside") {
  const Directory directory;
  const std::string path = directory.path + "/c.db";
  std::ofstream(path) << std::string(5000, 'x');
  Bench b(path);
  CHECK_THAT(b.lines, Catch::Contains("is set aside as " + path + ".damaged"));
  b.ask_now("a@b.test");
  CHECK(b.probes.size() == 1);
}

TEST_CASE("without negative cache a failure is told, not remembered") {
  Bench b("", false);
  ipc::VerifyAnswer answer;
  b.ask("a@b.test", Seconds(60), &answer);
  b.end("a@b.test", ipc::verify_temporary, "refused");
  b.loop.run_until([&] { return b.nursery.empty(); });
  CHECK(answer.status == ipc::verify_temporary);
  CHECK(b.ask_now("a@b.test").status == ipc::verify_todo);
  CHECK(b.probes.size() == 2);
}

TEST_CASE("a probe that could not be sent is tried again") {
  Bench b;
  b.failing = true;
  b.ask_now("a@b.test");
  CHECK_THAT(b.lines, Catch::Contains("probe of <a@b.test> not sent: no "
                                      "cleanup"));
  b.failing = false;
  b.ask_now("a@b.test");
  CHECK(b.probes.size() == 2);
}

TEST_CASE("what has expired is dropped and counted") {
  Bench b;
  b.ask_now("old@b.test");
  b.end("old@b.test", ipc::verify_undeliverable, "no");
  b.now += 4 * day;
  b.ask_now("new@b.test");
  b.end("new@b.test", ipc::verify_deliverable, "yes");
  b.verifier->clean();
  CHECK_THAT(b.lines, Catch::Contains("full cleanup: retained=1 dropped=1 "
                                      "entries"));
}
