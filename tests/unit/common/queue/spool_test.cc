#include "common/queue/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "common/os/files.h"
#include "common/queue/crc32c.h"
#include "common/queue/names.h"
#include "common/queue/queue_id.h"

using namespace postern;
using namespace postern::queue;

namespace {

// A spool in a directory of its own.
class Fixture {
 public:
  Fixture() {
    char name[] = "/tmp/postern-spool-XXXXXX";
    directory = ::mkdtemp(name);
    for (const char* box :
         {"incoming", "active", "deferred", "hold", "corrupt"})
      REQUIRE(os::make_directories(directory + "/" + box, 0700).ok());
    options.directory = directory;
  }
  ~Fixture() {
    [[maybe_unused]] const int done =
        std::system(("rm -rf '" + directory + "'").c_str());
  }
  std::string directory;
  SpoolOptions options;
};

Envelope sample() {
  Envelope e;
  e.arrival = 1700000000123456;
  e.sender = "a@example.org";
  e.envid = "x\ny\\z";
  e.ret = "HDRS";
  e.attributes = {{"client_name", "localhost"}, {"helo_name", "h=1"}};
  e.recipients.resize(2);
  e.recipients[0].address = "b@example.com";
  e.recipients[0].original = "B@example.com";
  e.recipients[0].notify = 6;
  e.recipients[1].address = "with space@example.com";
  return e;
}

}  // namespace

TEST_CASE("CRC-32C gives the known check value", "[queue][crc32c]") {
  CHECK(crc32c(0, "123456789") == 0xe3069283);
  CHECK(crc32c(crc32c(0, "1234"), "56789") == 0xe3069283);
}

TEST_CASE("a preamble of parts that no file could hold is none",
          "[queue][layout]") {
  const auto preamble = [](const std::string& parts) {
    std::string line = "postern-queue-1 " + parts;
    char check[16];
    std::snprintf(check, sizeof check, "%x", crc32c(0, line));
    line += std::string(" p=") + check;
    line.resize(preamble_size - 1, ' ');
    return line + "\n";
  };
  const std::string well = encode_layout({128, 5, 133, 7, 1, 2});
  CAPTURE(well, preamble("c=80+5 e=85+7 k=1 m=2"));
  REQUIRE(decode_layout(preamble("c=80+5 e=85+7 k=1 m=2")));
  for (const char* parts :
       {"c=80+7fffffffffffffff e=800000000000007f+7fffffffffffffff k=1 m=2",
        "c=80+7fffffffffffff7f e=7fffffffffffffff+1 k=1 m=2",
        "c=80+5 e=85+7fffffffffffffff k=1 m=2",
        "c=80+ffffffffffffffff e=7f+1 k=1 m=2"}) {
    CAPTURE(parts);
    CHECK_FALSE(decode_layout(preamble(parts)));
  }
}

TEST_CASE("queue ids of both kinds are recognised", "[queue][id]") {
  CHECK(short_id(1700000000123456, 0xabcdef) == "1E240ABCDEF");
  CHECK(valid_id(short_id(1700000000123456, 1)));
  CHECK(valid_id(long_id(1700000000123456, 1234567)));
  for (const char* bad : {"", "../../etc", "a", "12 4567", "ABCDEFG", "new-1-1",
                          "ABCDE/F"}) {
    CAPTURE(bad);
    CHECK_FALSE(valid_id(bad));
  }
}

TEST_CASE("the hash of an id is taken from its microseconds", "[queue][id]") {
  CHECK(hash_part("1E240ABCDEF", 2) == "04");
  CHECK(hash_part(long_id(1700000000123456, 7), 1).size() == 1);
}

TEST_CASE("an envelope survives its file form", "[queue][envelope]") {
  Envelope e = sample();
  const std::string bytes = encode_envelope(e);
  const std::optional<Envelope> back = decode_envelope(bytes);
  REQUIRE(back);
  CHECK(back->sender == e.sender);
  CHECK(back->envid == e.envid);
  CHECK(back->attribute("helo_name") == "h=1");
  REQUIRE(back->recipients.size() == 2);
  CHECK(back->recipients[0].original == "B@example.com");
  CHECK(back->recipients[0].notify == 6);
  CHECK(back->recipients[1].address == "with space@example.com");
  CHECK(bytes[static_cast<std::size_t>(back->recipients[1].mark)] ==
        mark_pending);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    CHECK_FALSE(decode_envelope(bytes.substr(0, cut)));
  }
}

TEST_CASE("a preamble with any byte changed is refused", "[queue][layout]") {
  Layout layout;
  layout.content_offset = preamble_size;
  layout.content_size = 77;
  layout.envelope_offset = preamble_size + 77;
  layout.envelope_size = 20;
  layout.content_crc = 0x1234;
  const std::string bytes = encode_layout(layout);
  REQUIRE(bytes.size() == static_cast<std::size_t>(preamble_size));
  REQUIRE(decode_layout(bytes));
  CHECK(decode_layout(bytes)->content_size == 77);
  const std::size_t text_end = bytes.find_last_not_of(" \n");
  for (std::size_t i = 0; i <= text_end; ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 1;
    CAPTURE(i);
    CHECK_FALSE(decode_layout(damaged));
  }
}

TEST_CASE("a message is written, found, settled and removed",
          "[queue][spool]") {
  Fixture f;
  const bool large = GENERATE(false, true);
  CAPTURE(large);
  Spool spool(f.options);
  Result<std::unique_ptr<Draft>> draft = spool.create(1700000000123456);
  REQUIRE(draft);
  const std::string id = (*draft)->id();
  CHECK(spool.open(Box::incoming, id).why == Unreadable::unfinished);
  std::string content = "Subject: x\n\nbody\n";
  if (large) content += std::string(400000, 'y') + "\n";
  REQUIRE((*draft)->append(content).ok());
  if (large)
    CHECK(spool.open(Box::incoming, id).why == Unreadable::unfinished);
  Envelope e = sample();
  REQUIRE((*draft)->finish(e, Box::incoming).ok());
  REQUIRE((*draft)->sync().ok());
  (*draft)->keep();
  draft->reset();

  Spool::Opened opened = spool.open(Box::incoming, id, true);
  REQUIRE(opened.message);
  Stored& m = *opened.message;
  CHECK(*os::read_at(m.fd.get(), static_cast<std::size_t>(m.layout.content_size),
                     m.layout.content_offset, "") == content);
  REQUIRE(spool.mark_done(m, 1).ok());
  Results results;
  results.attempts = {{0, "4.4.1", "connect to x: Connection\nrefused"}};
  REQUIRE(spool.write_results(m, results).ok());
  REQUIRE(spool.move(id, Box::incoming, Box::deferred).ok());
  REQUIRE(spool.set_next_attempt(Box::deferred, id, 1800000000).ok());

  Spool::Opened again = spool.find(id);
  REQUIRE(again.message);
  CHECK(again.message->box == Box::deferred);
  CHECK(again.message->modified == 1800000000);
  CHECK_FALSE(again.message->envelope.recipients[0].done);
  CHECK(again.message->envelope.recipients[1].done);
  const Results read = spool.read_results(*again.message);
  REQUIRE(read.attempts.size() == 1);
  CHECK(read.attempts[0].text == "connect to x: Connection\nrefused");

  int seen = 0;
  REQUIRE(spool.scan(Box::deferred, [&](const std::string& name) {
    CHECK(name == id);
    ++seen;
    return true;
  }).ok());
  CHECK(seen == 1);
  REQUIRE(spool.remove(Box::deferred, id).ok());
  CHECK(spool.find(id).why == Unreadable::absent);
}

TEST_CASE("a draft that is not kept leaves nothing", "[queue][spool]") {
  Fixture f;
  Spool spool(f.options);
  {
    Result<std::unique_ptr<Draft>> draft = spool.create(1);
    REQUIRE(draft);
    REQUIRE((*draft)->append("x").ok());
  }
  CHECK(os::list_directory(f.directory + "/incoming")->empty());
}

TEST_CASE("damage is told from being unfinished", "[queue][spool]") {
  Fixture f;
  Spool spool(f.options);
  Result<std::unique_ptr<Draft>> draft = spool.create(5);
  REQUIRE(draft);
  const std::string id = (*draft)->id();
  REQUIRE((*draft)->append(std::string(20000, 'z')).ok());
  Envelope e = sample();
  REQUIRE((*draft)->finish(e, Box::incoming).ok());
  (*draft)->keep();
  const std::string path = spool.path(Box::incoming, id);

  SECTION("a changed content byte") {
    const Fd fd(::open(path.c_str(), O_WRONLY));
    REQUIRE(::pwrite(fd.get(), "!", 1, 500) == 1);
    CHECK(spool.open(Box::incoming, id, true).why == Unreadable::damaged);
  }
  SECTION("cut short") {
    REQUIRE(::truncate(path.c_str(), 20010) == 0);
    CHECK(spool.open(Box::incoming, id).why == Unreadable::damaged);
  }
  SECTION("somebody else's file") {
    REQUIRE(::truncate(path.c_str(), 0) == 0);
    const Fd fd(::open(path.c_str(), O_WRONLY));
    REQUIRE(::write(fd.get(), "hello there, stranger", 21) == 21);
    CHECK(spool.open(Box::incoming, id).why == Unreadable::damaged);
  }
}

TEST_CASE("a move never replaces another message", "[queue][spool]") {
  Fixture f;
  Spool spool(f.options);
  REQUIRE(os::replace_file(f.directory + "/incoming/ABCDEF1", "1").ok());
  REQUIRE(os::replace_file(f.directory + "/active/ABCDEF1", "2").ok());
  CHECK_FALSE(spool.move("ABCDEF1", Box::incoming, Box::active).ok());
  CHECK(*os::read_file(f.directory + "/active/ABCDEF1") == "2");
}

TEST_CASE("very many recipients are read and written piece by piece",
          "[queue][spool]") {
  Fixture place;
  Spool spool(place.options);
  auto made = spool.create(1'700'000'000'000'000);
  REQUIRE(made);
  std::unique_ptr<Draft> draft = std::move(*made);
  REQUIRE(draft->append("Subject: x\n\nbody\n").ok());
  Envelope envelope;
  envelope.sender = "s@x";
  int number = 0;
  const auto more = [&](int count) {
    while (count-- > 0) {
      envelope.recipients.emplace_back();
      envelope.recipients.back().address =
          "r" + std::to_string(number++) + "@x";
      envelope.recipients.back().orcpt = "rfc822;a\\b";
    }
  };
  more(3000);
  REQUIRE(draft->set_aside(envelope.recipients).ok());
  if (!draft->set_aside()) return;  // a file system without nameless files
  CHECK(envelope.recipients.size() == 1);
  more(2999);
  REQUIRE(draft->set_aside(envelope.recipients).ok());
  more(1);
  REQUIRE(draft->finish(envelope, Box::incoming).ok());
  draft->keep();
  const std::string id = draft->id();

  const Spool::Opened some = spool.open(Box::incoming, id, true, 4000);
  REQUIRE(some.message);
  CHECK(some.message->recipients == 6000);
  CHECK(some.message->pending == 6000);
  REQUIRE(some.message->envelope.recipients.size() == 4000);
  CHECK(some.message->envelope.recipients[3999].address == "r3999@x");
  EnvelopeReader reader(some.message->fd.get(), some.message->layout);
  reader.go_to(some.message->rest);
  std::vector<std::int64_t> marks;
  while (const auto recipient = reader.next()) {
    CHECK(recipient->address ==
          "r" + std::to_string(reader.place().index - 1) + "@x");
    marks.push_back(recipient->mark);
  }
  CHECK_FALSE(reader.broken());
  REQUIRE(marks.size() == 2000);
  REQUIRE(spool.mark_done(Box::incoming, id, some.message->layout, marks).ok());
  const Spool::Opened all = spool.open(Box::incoming, id);
  REQUIRE(all.message);
  CHECK(all.message->pending == 4000);
  CHECK(all.message->envelope.recipients[4000].done);
  CHECK_FALSE(all.message->envelope.recipients[3999].done);
}

TEST_CASE("reasons may be those of many recipients", "[queue][envelope]") {
  Results results;
  results.attempts = {{0, "4.4.1", "a", 0}, {3, "4.4.2", "b", 9000}};
  const Results back = decode_results(encode_results(results));
  REQUIRE(back.attempts.size() == 2);
  CHECK(back.attempts[0].last == 0);
  CHECK(back.attempts[1].index == 3);
  CHECK(back.attempts[1].last == 9000);
}

TEST_CASE("names of a box come in pieces, from all its subdirectories",
          "[queue][spool]") {
  Fixture place;
  Spool spool(place.options);
  Names none(spool, Box::hold);
  CHECK(none.next(10)->empty());
  std::set<std::string> made;
  for (int i = 0; i < 40; ++i) {
    auto draft = spool.create(1'700'000'000'000'000 + i * 1'000);
    REQUIRE(draft);
    Envelope envelope;
    REQUIRE((*draft)->finish(envelope, Box::incoming).ok());
    (*draft)->keep();
    REQUIRE(spool.move((*draft)->id(), Box::incoming, Box::deferred).ok());
    made.insert((*draft)->id());
  }
  Names names(spool, Box::deferred);
  std::set<std::string> seen;
  for (;;) {
    const auto some = names.next(7);
    REQUIRE(some);
    if (some->empty()) break;
    CHECK(some->size() <= 7);
    CHECK(std::is_sorted(some->begin(), some->end()));
    seen.insert(some->begin(), some->end());
  }
  CHECK(seen == made);
}
