#include "cleanup/pickup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup/recovery.h"
#include "common/queue/queue_id.h"
#include "tests/unit/cleanup/fixture.h"

using namespace postern;
using namespace postern::cleanup;
using namespace postern::cleanup::test;

namespace {

queue::Envelope envelope_to(const std::vector<std::string>& addresses) {
  queue::Envelope out;
  out.sender = "alice";
  out.arrival = 1700000000000000;
  out.attributes = {{"full_name", "Alice X"}, {"client_name", "forged"}};
  out.flags = ipc::internal_notice | ipc::verify_only;
  out.filter = "smtp:[192.0.2.1]";
  for (const std::string& address : addresses) {
    out.recipients.emplace_back();
    out.recipients.back().address = address;
  }
  return out;
}

std::string drop(Fixture& fixture, const std::string& text,
                 queue::Envelope envelope) {
  bool given = false;
  Result<std::string> id = queue::write_maildrop(
      fixture.spool, envelope, [&]() -> Result<std::string> {
        return std::exchange(given, true) ? std::string() : text;
      });
  REQUIRE(id.ok());
  return *id;
}

struct Desk {
  explicit Desk(Fixture& owner, uid_t trusted = 99999)
      : fixture(owner),
        notices(owner.means(), owner.config, log::Log("bounce")),
        pickup(owner.means(), notices, {0, "", trusted}, log::Log("pickup")) {}
  void look() {
    pickup.wake();
    fixture.loop.run_until([&] { return pickup.idle(); });
  }
  Fixture& fixture;
  Notices notices;
  Pickup pickup;
};

void age(const std::string& path, int seconds) {
  const timespec then{std::time(nullptr) - seconds, 0};
  const timespec times[2] = {then, then};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("a submission becomes a message and leaves maildrop",
          "[cleanup][pickup]") {
  Fixture fixture;
  drop(fixture, "From someone Mon Jan 1\nSubject: hello\n\nFrom me\n",
       envelope_to({"bob"}));
  Desk desk(fixture);
  desk.look();
  CHECK(fixture.names(queue::Box::maildrop).empty());
  const std::vector<std::string> ids = fixture.names(queue::Box::incoming);
  REQUIRE(ids.size() == 1);
  const std::string uid = std::to_string(::getuid());
  const std::string text = fixture.content(ids[0]);
  CHECK(text.starts_with("Received: by mail.test (Postfix, from userid " + uid +
                         ")\n\tid " + ids[0] + "; "));
  CHECK(text.find("\nSubject: hello\nMessage-Id: <20231114221320." + ids[0] +
                  "@mail.test>\nDate: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)\n"
                  "From: Alice X <alice@mail.test>\n\nFrom me\n") !=
        std::string::npos);
  CHECK(text.find("From someone") == std::string::npos);
  CHECK(fixture.has_logged("pickup: " + ids[0] + ": uid=" + uid +
                           " from=<alice>"));
  // What a user must not say is not believed.
  const queue::Envelope envelope = fixture.stored(ids[0]).envelope;
  CHECK(envelope.attribute("client_name") == "");
  CHECK(envelope.flags == ipc::verify_only);
  CHECK(envelope.filter == "");
  CHECK(envelope.sender == "alice@mail.test");
  CHECK(envelope.recipients.at(0).original == "bob");
}

TEST_CASE("what was in the queue before keeps what it says",
          "[cleanup][pickup]") {
  Fixture fixture;
  queue::Envelope envelope = envelope_to({"done@x", "bob@elsewhere"});
  envelope.recipients[0].done = true;
  envelope.recipients[1].original = "bob";
  drop(fixture, "Subject: again\n\n", envelope);
  Desk desk(fixture, ::getuid());
  desk.look();
  const std::vector<std::string> ids = fixture.names(queue::Box::incoming);
  REQUIRE(ids.size() == 1);
  const queue::Envelope got = fixture.stored(ids[0]).envelope;
  CHECK(got.attribute("client_name") == "forged");
  REQUIRE(got.recipients.size() == 1);
  CHECK(got.recipients[0].address == "bob@mail.test");
}

TEST_CASE("many submissions go through together", "[cleanup][pickup]") {
  Fixture fixture;
  fixture.syncs.start(2);
  for (int i = 0; i < 65; ++i)
    drop(fixture, "Subject: x\n\n", envelope_to({"bob"}));
  Desk desk(fixture);
  desk.look();
  CHECK(fixture.names(queue::Box::maildrop).empty());
  CHECK(fixture.names(queue::Box::incoming).size() == 65);
}

TEST_CASE("what cannot be taken now waits in maildrop", "[cleanup][pickup]") {
  Fixture fixture("virtual_alias_maps = v\n");
  fixture.book.broken = true;
  const std::string id = drop(fixture, "\n", envelope_to({"bob"}));
  Desk desk(fixture);
  desk.look();
  CHECK(fixture.names(queue::Box::maildrop) == std::vector<std::string>{id});
  CHECK(fixture.names(queue::Box::incoming).empty());
  fixture.book.broken = false;
  desk.look();
  CHECK(fixture.names(queue::Box::maildrop).empty());
  CHECK(fixture.names(queue::Box::incoming).size() == 1);
}

TEST_CASE("what can never be taken goes back to its sender",
          "[cleanup][pickup]") {
  Fixture fixture("hopcount_limit = 2\n");
  struct Case {
    std::vector<std::string> to;
    const char* text;
    const char* logged;
  };
  for (const Case& each : std::vector<Case>{
           {{"bob"},
            "Received: a\nReceived: b\n\n",
            "to=<bob@mail.test>, orig_to=<bob>, relay=none, delay="},
           {{}, "Subject: x\n\n", "to=<unknown>, relay=none, delay="}}) {
    CAPTURE(each.logged);
    drop(fixture, each.text, envelope_to(each.to));
    Desk desk(fixture);
    desk.look();
    CHECK(fixture.names(queue::Box::maildrop).empty());
    const std::vector<std::string> ids = fixture.names(queue::Box::incoming);
    REQUIRE(ids.size() == 1);
    const queue::Envelope envelope = fixture.stored(ids[0]).envelope;
    CHECK(envelope.sender == "");
    CHECK(envelope.recipients.at(0).address == "alice@mail.test");
    CHECK(fixture.has_logged(each.logged));
    REQUIRE(fixture.spool.remove(queue::Box::incoming, ids[0]).ok());
  }
}

TEST_CASE("files in maildrop that are no submissions do no harm",
          "[cleanup][pickup]") {
  Fixture fixture;
  const std::string box = fixture.directory + "/maildrop/";
  REQUIRE(os::replace_file(box + "ABCDEF12", "garbage").ok());
  REQUIRE(os::replace_file(box + "ABCDEF13", "").ok());
  REQUIRE(os::replace_file(box + "ABCDEF14", "").ok());
  age(box + "ABCDEF14", 7200);
  REQUIRE(::symlink("/etc/passwd", (box + "ABCDEF15").c_str()) == 0);
  REQUIRE(::mkfifo((box + "ABCDEF16").c_str(), 0644) == 0);
  const std::string twice = drop(fixture, "\n", envelope_to({"bob"}));
  REQUIRE(::link((box + twice).c_str(),
                 (fixture.directory + "/elsewhere").c_str()) == 0);
  const std::string bent = drop(fixture, "Subject: x\n\n",
                                envelope_to({"bob"}));
  {
    const Result<Fd> fd = os::open_file(box + bent, O_WRONLY);
    REQUIRE(os::write_all_at(fd->get(), "y", 130, "test").ok());
  }
  Desk desk(fixture);
  desk.look();
  CHECK(fixture.names(queue::Box::incoming).empty());
  // Still being written, perhaps; and what is no file cannot be opened.
  std::vector<std::string> left = fixture.names(queue::Box::maildrop);
  std::sort(left.begin(), left.end());
  CHECK(left == std::vector<std::string>{"ABCDEF13", "ABCDEF15"});
  CHECK(fixture.names(queue::Box::corrupt).size() == 5);
  CHECK(fixture.has_logged("maildrop/ABCDEF12: no valid preamble; moved to "
                           "corrupt"));
  CHECK(fixture.has_logged("damaged content; moved to corrupt"));
}

TEST_CASE("a mail reader's From lines go, wherever a piece ends",
          "[cleanup][pickup]") {
  struct Case {
    const char* in;
    const char* out;
  };
  for (const Case& each : std::vector<Case>{
           {"From a b\nSubject: x\n", "Subject: x\n"},
           {"From a\n>From b\nSubject: x\n", "Subject: x\n"},
           {"From: a\n", "From: a\n"},
           {" indented\n", "\n indented\n"},
           {"\nFrom here\n", "\nFrom here\n"},
           {"", ""},
           {"Fro", "Fro"}})
    for (std::size_t cut = 1; cut < 30; cut += 3) {
      CAPTURE(each.in, cut);
      SubmissionStart start;
      std::string out;
      const std::string in = each.in;
      for (std::size_t at = 0; at < in.size(); at += cut)
        out += start.feed(in.substr(at, cut));
      out += start.finish();
      CHECK(out == each.out);
    }
}

TEST_CASE("only what a dead writer left is removed", "[cleanup][recovery]") {
  Fixture fixture;
  const std::string box = fixture.directory + "/incoming/";
  Mail mail("\n");
  pass(fixture, mail);
  Result<std::unique_ptr<queue::Draft>> living = fixture.spool.create(1);
  REQUIRE(living.ok());
  REQUIRE(os::replace_file(box + "ABCDEF12", "").ok());
  REQUIRE(os::replace_file(box + "ABCDEF13", std::string(5000, '\0')).ok());
  REQUIRE(os::replace_file(box + "ABCDEF14", "foreign").ok());
  REQUIRE(os::replace_file(box + "new-1-1", "").ok());
  REQUIRE(os::replace_file(box + "new-1-2", "").ok());
  age(box + "new-1-2", 100);
  REQUIRE(os::replace_file(box + "README", "").ok());
  fixture.run(remove_debris(&fixture.spool, &fixture.log));
  std::vector<std::string> left = fixture.names(queue::Box::incoming);
  std::sort(left.begin(), left.end());
  std::vector<std::string> expected = {"ABCDEF14", "README", "new-1-1",
                                       mail.verdict.queue_id, (*living)->id()};
  std::sort(expected.begin(), expected.end());
  CHECK(left == expected);
}

namespace {

// What is too young at the first look has come of age before the second.
Task<void> outlive_a_look(Fixture* fixture, std::string file) {
  Nursery looks;
  looks.start(remove_debris_twice(&fixture->spool, &fixture->log, Millis(20)));
  CHECK(os::exists(file));
  age(file, 100);
  for (int i = 0; i < 1000 && os::exists(file); ++i) {
    co_await pause(Millis(5));
  }
}

}  // namespace

TEST_CASE("a file that died before it had its id goes at the second look",
          "[cleanup][recovery]") {
  Fixture fixture;
  const std::string file = fixture.directory + "/incoming/new-1-1";
  REQUIRE(os::replace_file(file, "").ok());
  fixture.run(outlive_a_look(&fixture, file));
  CHECK_FALSE(os::exists(file));
}
