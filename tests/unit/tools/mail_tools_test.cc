// What sendmail, postdrop and the queue's tools are made of.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "common/ipc/messages/content.h"
#include "common/log/log.h"
#include "common/os/files.h"
#include "common/queue/maildrop.h"
#include "common/queue/queue_id.h"
#include "common/service/queue_listing.h"
#include "tools/log_datagram.h"
#include "tools/message_text.h"
#include "tools/postsuper_queue.h"
#include "tools/queue_file_print.h"
#include "tools/queue_report.h"
#include "tools/sender_permission.h"
#include "tools/submission.h"

namespace postern::tools {
namespace {

// The bytes in pieces of `step`.
RecordReader::Source source_of(std::string bytes, std::size_t step) {
  return [bytes = std::move(bytes), step,
          at = std::size_t{0}]() mutable -> Result<std::string> {
    std::string out = bytes.substr(at, step);
    at += out.size();
    return out;
  };
}

std::string stream(std::initializer_list<std::pair<char, std::string>> parts) {
  std::string out;
  for (const auto& [type, data] : parts) put_record(out, type, data);
  return out;
}

struct Taken {
  std::string fault;  // empty: whole
  bool called_off = false;
  queue::Envelope envelope;
  std::string content;
};

Taken take(const std::string& bytes, std::int64_t limit = 0,
           std::size_t step = 7) {
  Taken out;
  SubmissionReader reader(source_of(bytes, step), limit);
  auto head = reader.head();
  out.called_off = reader.called_off();
  if (!head) out.fault = head.trouble().text;
  if (!head || !*head) return out;
  out.envelope = **head;
  for (;;) {
    const Result<std::string> piece = reader.content(out.envelope);
    out.called_off = reader.called_off();
    if (!piece) out.fault = piece.trouble().text;
    if (!piece || piece->empty()) return out;
    out.content += *piece;
  }
}

struct Input {
  explicit Input(const std::string& text) : file(::tmpfile()) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::rewind(file);
  }
  ~Input() { std::fclose(file); }
  std::FILE* file;
};

std::string read_message(const std::string& text, MessageText::Rules rules) {
  const Input input(text);
  MessageText message(input.file, rules);
  std::string out;
  while (const auto piece = message.next())
    out += piece->text + (piece->complete ? "|" : "");
  return out;
}

struct Directory {
  Directory() {
    char name[] = "/tmp/postern-tools-XXXXXX";
    path = ::mkdtemp(name);
    for (const char* box : {"maildrop", "incoming", "active", "deferred",
                            "hold", "corrupt"})
      std::filesystem::create_directory(path + "/" + box);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

struct Queue : Directory {
  Queue() : spool(options()) {}
  queue::SpoolOptions options() const {
    queue::SpoolOptions out;
    out.directory = path;
    return out;
  }
  std::string add(queue::Box box, const std::string& sender = "a@example.com") {
    queue::Envelope envelope;
    envelope.arrival = 1700000000000000;
    envelope.sender = sender;
    envelope.recipients.resize(2);
    envelope.recipients[0].address = "b c@example.com";
    envelope.recipients[0].original = "b@example.com";
    envelope.recipients[1].address = "d@example.com";
    auto draft = spool.create(1700000000000000 + ++made);
    REQUIRE(draft);
    REQUIRE((*draft)->append("Subject: x\n y\n\nbody\n\nend").ok());
    REQUIRE((*draft)->finish(envelope, queue::Box::incoming).ok());
    (*draft)->keep();
    const std::string id = (*draft)->id();
    if (box != queue::Box::incoming)
      REQUIRE(spool.move(id, queue::Box::incoming, box).ok());
    return id;
  }
  bool has(queue::Box box, const std::string& id) {
    return spool.modified(box, id).has_value();
  }
  queue::Spool spool;
  std::int64_t made = 0;
};

}  // namespace

TEST_CASE("records of every length come back as they were", "[tools]") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{127}, std::size_t{128},
        std::size_t{16383}, std::size_t{16384}, std::size_t{1} << 20}) {
    CAPTURE(size);
    std::string bytes;
    put_record(bytes, rec_line, std::string(size, 'x'));
    RecordReader reader(source_of(bytes, 4093));
    const auto record = reader.next();
    REQUIRE(record);
    REQUIRE(*record);
    CHECK((*record)->type == rec_line);
    CHECK((*record)->data.size() == size);
    const auto end = reader.next();
    REQUIRE(end);
    CHECK_FALSE(*end);
  }
}

TEST_CASE("records that are cut short or too long are refused", "[tools]") {
  for (const std::string bytes : {"N", "N\x80", "N\x05""abc", "junk\n",
                                  "N\xff\xff\xff\x01"}) {
    CAPTURE(bytes);
    RecordReader reader(source_of(bytes, 1));
    CHECK_FALSE(reader.next());
  }
}

TEST_CASE("a record stream becomes a submission", "[tools]") {
  const std::string bytes = stream(
      {{'A', "envelope_id=ENV+1"}, {'A', "ret_flags=2"}, {'A', "encoding=8bit"},
       {'A', "trace_flags=512"}, {'A', "rewrite_context=remote"},
       {'F', "Alice\nX"}, {'S', "a@example.com"}, {'A', "notify_flags=66"},
       {'A', "dsn_orig_rcpt=rfc822;B@x"}, {'R', "b@x"}, {'R', "c\r@x"},
       {'M', ""}, {'N', "Subject: x"}, {'N', ""}, {'L', "long "}, {'N', "line"},
       {'X', ""}, {'R', "d@x"}, {'E', ""}});
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
    const Taken out = take(bytes, 0, step);
    CHECK(out.fault.empty());
    CHECK_FALSE(out.called_off);
    CHECK(out.content == "Subject: x\n\nlong line\n");
    CHECK(out.envelope.sender == "a@example.com");
    CHECK(out.envelope.envid == "ENV+1");
    CHECK(out.envelope.ret == "HDRS");
    CHECK(out.envelope.body == "8BITMIME");
    CHECK(out.envelope.context == "remote");
    CHECK(out.envelope.flags == ipc::report_deliveries);
    CHECK(out.envelope.attribute("full_name") == "Alice?X");
    REQUIRE(out.envelope.recipients.size() == 3);
    CHECK(out.envelope.recipients[0].notify == ipc::notify_success);
    CHECK(out.envelope.recipients[0].orcpt == "rfc822;B@x");
    CHECK(out.envelope.recipients[1].address == "c?@x");
    CHECK(out.envelope.recipients[1].notify == 0);
    CHECK(out.envelope.recipients[2].address == "d@x");
  }
}

TEST_CASE("what is no submission is refused with its reason", "[tools]") {
  struct Case {
    std::string bytes;
    std::string fault;
    bool called_off = false;
  };
  const Case cases[] = {
      {"", "", true},
      {stream({{'S', "a"}, {'R', "b"}}), "", true},
      {stream({{'S', "a"}, {'R', "b"}, {'M', ""}, {'N', "x"}}), "called off",
       true},
      {stream({{'R', "b"}, {'M', ""}}), "no sender before the content"},
      {stream({{'S', "a"}, {'Q', ""}}), "unexpected record type: 81"},
      {stream({{'S', "a"}, {'M', ""}, {'R', "b"}}),
       "unexpected record type: 82"},
      {stream({{'S', "a"}, {'A', "client_name=forged"}}),
       "unexpected attribute: client_name"},
      {stream({{'S', "a"}, {'A', "x"}}), "malformed attribute: x"},
      {stream({{'S', "a"}, {'R', ""}}), "empty recipient"},
      {stream({{'S', "a"}, {'M', ""}, {'N', "0123456789"}, {'E', ""}}),
       "File too large"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.bytes);
    const Taken out = take(each.bytes, 10);
    CHECK(out.fault == each.fault);
    CHECK(out.called_off == each.called_off);
  }
}

TEST_CASE("a message on standard input ends where it should", "[tools]") {
  CHECK(read_message("a\n.\nb\n", {}) == "a|");
  CHECK(read_message("a\n.\nb\n", {false, LineEnds::always}) == "a|.|b|");
  CHECK(read_message("a\r\n.\r\nb\r\n", {}) == "a|");
  CHECK(read_message("no end", {}) == "no end|");
  CHECK(read_message("", {}) == "");
  CHECK(read_message("From x y\n>From z\nSubject: s\nFrom here\n", {}) ==
        "Subject: s|From here|");
}

TEST_CASE("carriage returns go as sendmail_fix_line_endings says",
          "[tools]") {
  CHECK(read_message("a\nb\r\n", {true, LineEnds::always}) == "a|b|");
  CHECK(read_message("a\nb\r\n", {true, LineEnds::strict}) == "a|b\r|");
  CHECK(read_message("a\r\nb\r\n", {true, LineEnds::strict}) == "a|b|");
  CHECK(read_message("a\r\nb\n", {true, LineEnds::never}) == "a\r|b|");
  CHECK_FALSE(line_ends_from("sometimes"));
}

TEST_CASE("long lines come in pieces without losing a byte", "[tools]") {
  const std::string line = std::string(100000, 'x') + "\r";
  CHECK(read_message(line + "\n", {}) == std::string(100000, 'x') + "|");
}

TEST_CASE("recipients are found in the header alone", "[tools]") {
  const auto found = [](const std::string& text) {
    const Input input(text);
    MessageText message(input.file, {});
    HeaderRecipients header(102400);
    while (const auto piece = message.next()) header.feed(*piece);
    std::string out;
    for (const std::string& address : header.finish()) out += address + " ";
    return out;
  };
  CHECK(found("To: A <a@x>,\n b@x\nCc: c@x (c)\nbcc: d@x\nFrom: e@x\n\nTo: f@x\n")
        == "a@x b@x c@x d@x ");
  CHECK(found("To: a@x\nResent-To: b@x\n") == "b@x ");
  CHECK(found("To: a@x") == "a@x ");
  CHECK(found("no header\nTo: a@x\n") == "");
  CHECK(found(" lead\nTo: a@x\n") == "");
}

TEST_CASE("UUCP's lines say who sent a message", "[tools]") {
  CHECK(uucp_sender({"From bob Mon Jan  1 00:00:00 2024 remote from b",
                     ">From al Mon Jan  1 00:00:00 2024 remote from a"}) ==
        "b!a!al");
  CHECK(uucp_sender({"From bob Mon Jan  1 00:00:00 2024"}) == "bob");
  CHECK(uucp_sender({"From "}).empty());
  CHECK(uucp_sender({}).empty());
}

TEST_CASE("the queue is shown in mailq's columns", "[tools]") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  QueueReport report(false);
  CHECK(QueueReport(false).end() == "Mail queue is empty\n");
  CHECK_FALSE(report.message("{}"));
  CHECK_FALSE(report.message("no json"));
  CHECK_FALSE(report.message(R"({"recipients": 5})"));
  CHECK(report.message(
            R"({"queue_name": "active", "queue_id": "1E240ABC", )"
            R"("arrival_time": 1700000000, "message_size": 2048, )"
            R"("forced_expire": false, "sender": "a@x", "recipients": [)"
            R"({"address": "b@x", "delay_reason": "why"}, )"
            R"({"address": "c@x", "delay_reason": "why"}, )"
            R"({"address": "d@x"}]})") ==
        "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
        "1E240ABC*       2048 Tue Nov 14 22:13:20  a@x\n" +
            std::string(73, ' ') + "(why)\n" + std::string(41, ' ') +
            "b@x\n" + std::string(41, ' ') + "c@x\n" + std::string(41, ' ') +
            "d@x\n");
  const auto held = report.message(
      R"({"queue_name": "hold", "queue_id": "1E240ABD", "sender": "a@x", )"
      R"("recipients": []})");
  REQUIRE(held);
  CHECK(held->starts_with("\n1E240ABD! "));
  const auto expired = report.message(
      R"({"queue_name": "deferred", "queue_id": "1E240ABE", "sender": "a@x", )"
      R"("forced_expire": true, "recipients": []})");
  REQUIRE(expired);
  CHECK(expired->starts_with("\n1E240ABE# "));
  CHECK(report.end() == "\n-- 2 Kbytes in 3 Requests.\n");
}

TEST_CASE("recipients are listed in the order in which they were tried",
          "[tools]") {
  queue::Stored message;
  message.id = "ABCDEF123";
  message.box = queue::Box::deferred;
  for (const char* address : {"z@b.test", "q q@b.test", "new@a.test",
                              "a@B.test", "x@a.test"}) {
    message.envelope.recipients.emplace_back();
    message.envelope.recipients.back().address = address;
  }
  message.envelope.recipients[3].done = true;
  queue::Results results;
  for (const std::int64_t tried : {0, 1, 4})
    results.attempts.push_back({tried, "4.4.1", "why"});
  const std::string line = listing_line(message, results);
  std::vector<std::size_t> places;
  for (const char* address :
       {"x@a.test", "\\\"q q\\\"@b.test", "z@b.test", "new@a.test"}) {
    CAPTURE(address, line);
    places.push_back(line.find(std::string("\"address\": \"") + address));
    REQUIRE(places.back() != std::string::npos);
  }
  CHECK(std::is_sorted(places.begin(), places.end()));
  CHECK(line.find("a@B.test") == std::string::npos);
}

TEST_CASE("log datagrams are taken only in their form", "[tools]") {
  const auto line = parse_log_datagram("1 77 postern/postdrop it is \x01 so\n");
  REQUIRE(line);
  CHECK(line->severity == log::Severity::warning);
  CHECK(line->pid == 77);
  CHECK(line->tag == "postern/postdrop");
  CHECK(line->text == "it is ? so?");
  for (const char* bad :
       {"", "1", "5 77 x y", "1 0 x y", "1 -4 x y", "1 77  y", "1 77 a[3] y",
        "1 77 a: y", "11 77 x y", "1 99999999999 x y", "1 77 \xff y"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_log_datagram(bad));
  }
  CHECK(severity_from("warn") == log::Severity::warning);
  CHECK_FALSE(severity_from("notice"));
}

TEST_CASE("a queue file is shown part by part", "[tools]") {
  Queue queue;
  const std::string id = queue.add(queue::Box::deferred);
  auto opened = queue.spool.open(queue::Box::deferred, id);
  REQUIRE(opened.message);
  REQUIRE(queue.spool.mark_done(*opened.message, 1).ok());
  const auto show = [&](const PrintRules& rules) {
    std::string out;
    REQUIRE(print_queue_file(opened.message->fd.get(), "NAME", rules,
                             [&](std::string_view text) { out += text; })
                .ok());
    return out;
  };
  const std::string all = show({});
  CHECK(all.starts_with("*** ENVELOPE RECORDS NAME ***\nmessage_size:"));
  CHECK(all.find("sender: a@example.com\n"
                 "original_recipient: b@example.com\n"
                 "recipient: b c@example.com\n"
                 "original_recipient: d@example.com\n"
                 "done_recipient: d@example.com\n"
                 "*** MESSAGE CONTENTS NAME ***\n"
                 "Subject: x\n y\n\nbody\n\nend\n"
                 "*** HEADER EXTRACTED NAME ***\n"
                 "*** MESSAGE FILE END NAME ***\n") != std::string::npos);
  CHECK(show({false, true, false}) == "Subject: x\n y\n");
  CHECK(show({false, false, true}) == "\nbody\n\nend\n");
  PrintRules offsets{false, true, false};
  offsets.offsets = true;
  CHECK(show(offsets) == "      128 Subject: x\n      139  y\n");
  PrintRules order;
  order.file_order = true;
  CHECK(show(order).find("*** ENVELOPE") > show(order).find("*** MESSAGE C"));

  const Input junk("postern-queue-1 c=junk");
  const Status refused = print_queue_file(::fileno(junk.file), "x", {},
                                          [](std::string_view) {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.trouble().text == "input is not a valid queue file");
}

TEST_CASE("postsuper's deeds move, expire and remove messages", "[tools]") {
  using queue::Box;
  Queue queue;
  const Tool tool("postsuper");
  QueueKeeper keeper(tool, queue.options(), false);
  const std::string a = queue.add(Box::deferred);
  const std::string b = queue.add(Box::incoming);
  const std::string c = queue.add(Box::hold);

  keeper.one(Deed::hold, a, QueueKeeper::usual_boxes(Deed::hold));
  CHECK(queue.has(Box::hold, a));
  keeper.one(Deed::release, a, QueueKeeper::usual_boxes(Deed::release));
  CHECK(queue.has(Box::deferred, a));
  keeper.one(Deed::requeue, b, QueueKeeper::usual_boxes(Deed::requeue));
  REQUIRE(queue.has(Box::maildrop, b));
  CHECK(queue::open_maildrop(queue.spool, b).submission);
  keeper.one(Deed::expire_and_release, c,
             QueueKeeper::usual_boxes(Deed::expire_and_release));
  CHECK(queue.has(Box::deferred, c));
  auto opened = queue.spool.open(Box::deferred, c);
  REQUIRE(opened.message);
  CHECK(opened.message->force_expired);
  CHECK_FALSE(queue.spool.force_expired(Box::deferred, a));
  keeper.all(Deed::remove, {Box::deferred});
  CHECK_FALSE(queue.has(Box::deferred, a));
  CHECK_FALSE(queue.has(Box::deferred, c));
  CHECK(queue.has(Box::maildrop, b));
}

TEST_CASE("postsuper puts files where their names say", "[tools]") {
  using queue::Box;
  Queue queue;
  const Tool tool("postsuper");
  const std::string id = queue.add(Box::deferred);
  const std::string right = queue.spool.path(Box::deferred, id);
  const std::string wrong = queue.path + "/deferred/" + id;
  std::filesystem::rename(right, wrong);
  QueueKeeper(tool, queue.options(), false).put_in_order(false, false);
  CHECK(os::exists(right));
  CHECK_FALSE(os::exists(wrong));

  // A copy has another inode; only an offline queue may be renamed.
  std::filesystem::copy(right, queue.path + "/copy");
  std::filesystem::rename(queue.path + "/copy", right);
  struct stat facts;
  REQUIRE(::stat(right.c_str(), &facts) == 0);
  const std::string tied = queue::with_inode(id, facts.st_ino);
  REQUIRE(tied != id);
  QueueKeeper(tool, queue.options(), false).put_in_order(false, false);
  CHECK(queue.has(Box::deferred, id));
  QueueKeeper(tool, queue.options(), false).put_in_order(true, false);
  CHECK_FALSE(queue.has(Box::deferred, id));
  CHECK(queue.has(Box::deferred, tied));
}

TEST_CASE("postsuper removes what dead writers left", "[tools]") {
  Queue queue;
  const Tool tool("postsuper");
  const std::string whole = queue.add(queue::Box::incoming);
  const auto leave = [&](const std::string& name) {
    REQUIRE(os::replace_file(queue.path + "/" + name, "").ok());
    return queue.path + "/" + name;
  };
  const std::string left = leave("incoming/1E240ABC");
  const std::string dropped = leave("maildrop/1E240ABD");
  const std::string fresh = leave("maildrop/new-1-1");
  QueueKeeper(tool, queue.options(), false).purge();
  CHECK_FALSE(os::exists(left));
  CHECK_FALSE(os::exists(dropped));
  CHECK(os::exists(fresh));  // its writer may not have locked it yet
  CHECK(queue.has(queue::Box::incoming, whole));
}

TEST_CASE("an id keeps its time when its inode changes", "[tools]") {
  const std::string brief = queue::short_id(1700000000123456, 1);
  CHECK(queue::with_inode(brief, 0xabc) ==
        queue::short_id(1700000000123456, 0xabc));
  const std::string full = queue::long_id(1700000000123456, 1);
  CHECK(queue::with_inode(full, 99999) ==
        queue::long_id(1700000000123456, 99999));
}

TEST_CASE("a user may send as the patterns allow") {
  struct Case {
    const char* patterns;
    const char* sender;
    bool allowed;
  };
  const Case cases[] = {
      {"*", "anyone@x.test", true},
      {"*", "", true},
      {"", "alice", false},
      {"alice", "alice", true},
      {"alice", "alice@example.com", false},
      {"bob, alice@example.com", "Alice@Example.com", true},
      {"alice@example.com", "alice+x@example.com", true},
      {"alice", "alice+x", true},
      {"@example.com", "any@EXAMPLE.com", true},
      {"@example.com", "any+x@example.com", true},
      {"@example.com", "any@sub.example.com", false},
      {"@example.com", "any", false},
      {"@example.com", "a@example.com@other.test", false},
      {"@example.com", "", false},
      {"alice", "", false},
      {"alice <>", "", true},
      {"a*", "alice", false},
      {"<>", "<>", true},
  };
  SenderRules rules;
  rules.delimiters = "+";
  for (const Case& c : cases) {
    CAPTURE(c.patterns, c.sender);
    CHECK(allows_sender(c.patterns, c.sender, rules) == c.allowed);
  }
  rules.empty_key = "@nobody";
  CHECK(allows_sender("@nobody", "", rules));
  CHECK_FALSE(allows_sender("<>", "", rules));
  rules.delimiters = "";
  CHECK_FALSE(allows_sender("alice", "alice+x", rules));
}

}  // namespace postern::tools
