#include "cleanup/checks.h"

#include "tests/unit/cleanup/fixture.h"

using namespace postern;
using namespace postern::cleanup;
using namespace postern::cleanup::test;

namespace {

const std::string top = "Message-Id: <x@y>\nDate: d\nFrom: a@b\nTo: c@d\n";

// What a message became: its content, or "refused STATUS TEXT", "discarded".
std::string taken(Fixture& fixture, Mail& mail,
                  queue::Box box = queue::Box::incoming) {
  pass(fixture, mail);
  const ipc::TroubleWire& trouble = mail.verdict.trouble;
  if (trouble.present)
    return "refused " + trouble.trouble().status() + " " + trouble.text;
  if (fixture.names(box).empty()) return "nothing";
  return fixture.content(mail.verdict.queue_id, box);
}

}  // namespace

TEST_CASE("rules change headers and lines", "[cleanup]") {
  struct Case {
    std::string rule, in, out, logged;
  };
  const std::vector<Case> cases = {
      {"IGNORE", "X: y\n\nbody\n", "\nbody\n", ""},
      {"STRIP gone", "X: y\n\nbody\n", "\nbody\n", "strip: header X: y from "},
      {"DUNNO", "X: y\n\n", "X: y\n\n", ""},
      {"PREPEND P: q", "X: y\n\n", "P: q\nX: y\n\n", ": P: q"},
      {"REPLACE To: b", "X: y\n\n", "To: b@mail.test\n\n",
       "replace: header X: y from "},
      {"WARN w", "X: y\n\n", "X: y\n\n", "cleanup: QID: warning: header X: y"},
      {"NONSENSE", "X: y\n\n", "X: y\n\n",
       "warning: unknown command in header_checks map: NONSENSE"},
      {"REJECT no", "X: y\n\n", "refused 5.7.1 no",
       "reject: header X: y from local; from=<sender@example.org> "
       "to=<rcpt@example.com>: 5.7.1 no"},
      {"REJECT 4.0.0 no", "X: y\n\n", "refused 4.0.0 no", ""},
      {"DISCARD", "X: y\n\nbody\n", "nothing", "discard: header X: y from "},
  };
  for (const Case& c : cases) {
    for (const std::size_t cut : {1, 1000}) {
      CAPTURE(c.rule, cut);
      Fixture fixture("header_checks = h\n");
      fixture.book.tables["h"] = {{"X: y", c.rule}};
      Mail mail(top + c.in);
      mail.cut = cut;
      std::string got = taken(fixture, mail);
      if (got.starts_with(top)) got.erase(0, top.size());
      CHECK(got == c.out);
      std::string logged = c.logged;
      if (const auto at = logged.find("QID"); at != std::string::npos)
        logged.replace(at, 3, mail.verdict.queue_id);
      CHECK(fixture.has_logged(logged));
    }
  }
}

TEST_CASE("rules decide where a message goes", "[cleanup]") {
  Fixture fixture("header_checks = h\n");
  auto& table = fixture.book.tables["h"];
  table = {{"A: b", "HOLD"},
           {"C: d", "BCC copy@example.com"},
           {"E: f", "FILTER smtp:first"},
           {"G: h", "FILTER smtp:last"}};
  Mail mail(top + "A: b\nC: d\nE: f\nG: h\n\n");
  taken(fixture, mail, queue::Box::hold);
  const queue::Stored held =
      fixture.stored(mail.verdict.queue_id, queue::Box::hold);
  CHECK(held.envelope.filter == "smtp:last");
  REQUIRE(held.envelope.recipients.size() == 2);
  CHECK(held.envelope.recipients[1].address == "copy@example.com");
  CHECK(held.envelope.recipients[1].notify == ipc::notify_never);

  table["I: j"] = "REDIRECT other@example.com";
  Mail second(top + "I: j\nG: h\n\n");
  second.to("another@example.com");
  taken(fixture, second);
  const queue::Stored sent = fixture.stored(second.verdict.queue_id);
  CHECK(sent.envelope.filter.empty());
  REQUIRE(sent.envelope.recipients.size() == 1);
  CHECK(sent.envelope.recipients[0].address == "other@example.com");
}

TEST_CASE("each table sees the lines of its place", "[cleanup]") {
  Fixture fixture(
      "header_checks = h\nmime_header_checks = m\n"
      "nested_header_checks = n\nbody_checks = b\n");
  for (const char* maps : {"h", "m", "n", "b"})
    for (const char* line :
         {"X: y", "Content-Type: message/rfc822", "body", "--s", "--s--"})
      fixture.book.tables[maps][line] = std::string("WARN ") + maps;
  Mail mail(top +
            "X: y\nContent-Type: multipart/mixed; boundary=s\n\nbody\n--s\n"
            "X: y\nContent-Type: message/rfc822\n\nX: y\n\nX: y\nbody\n--s--\n");
  CHECK(taken(fixture, mail).ends_with("\n--s--\n"));
  std::string seen;
  for (const std::string& line : fixture.logged) {
    const std::size_t at = line.find("warning: ");
    if (at == std::string::npos) continue;
    const std::size_t from = line.find(" from ");
    seen += line.substr(at + 9, from - at - 9) + " " + line.back() + "\n";
  }
  CHECK(seen ==
        "header X: y h\nbody body b\nbody --s b\nheader X: y m\n"
        "header Content-Type: message/rfc822 m\nheader X: y n\nbody X: y b\n"
        "body body b\nbody --s-- b\n");
}

TEST_CASE("headers of parts and lines of the body change too", "[cleanup]") {
  Fixture fixture("header_checks = h\nbody_checks = b\n");
  fixture.book.tables["h"] = {{"X: y", "IGNORE"}, {"Z: z", "REPLACE Z: y"}};
  fixture.book.tables["b"] = {{"one", "IGNORE"},
                              {"two", "REPLACE 2"},
                              {"three", "PREPEND 2.5"},
                              {"four", "PASS"},
                              {"five", "REJECT"}};
  Mail mail(top +
            "Content-Type: multipart/mixed; boundary=s\n\n--s\nX: y\nZ: z\n\n"
            "one\ntwo\nthree\n\nfour\nfive");
  const std::string text = taken(fixture, mail);
  CHECK(text == top +
                    "Content-Type: multipart/mixed; boundary=s\n\n--s\nZ: y\n\n"
                    "2\n2.5\nthree\n\nfour\nfive\n");
}

TEST_CASE("a flag and a limit keep lines out of sight", "[cleanup]") {
  Fixture fixture(
      "header_checks = h\nbody_checks = b\nbody_checks_size_limit = 10\n");
  fixture.book.tables["h"] = {{"X: y", "REJECT"}};
  fixture.book.tables["b"] = {{"late", "REJECT"}};
  Mail late(top + "\n0123456789\nlate\n");
  CHECK(taken(fixture, late) == top + "\n0123456789\nlate\n");
  Mail early(top + "\n01234567\nlate\n");
  CHECK(taken(fixture, early) == "refused 5.7.1 message content rejected");
  Mail unseen(top + "X: y\n\nlate\n");
  unseen.begin.flags = ipc::no_header_body_checks;
  CHECK(taken(fixture, unseen) == top + "X: y\n\nlate\n");
}

TEST_CASE("without MIME all is headers and body", "[cleanup]") {
  Fixture fixture(
      "header_checks = h\nbody_checks = b\nmime_header_checks = m\n"
      "disable_mime_input_processing = yes\n");
  fixture.book.tables["h"] = {{"MIME-Version: 1.0", "IGNORE"}};
  fixture.book.tables["b"] = {{"X: y", "IGNORE"}};
  Mail mail(top +
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=s\n\n"
            "--s\nX: y\n\n");
  CHECK(taken(fixture, mail) ==
        top + "Content-Type: multipart/mixed; boundary=s\n\n--s\n\n");
}

TEST_CASE("a table that does not answer refuses for now", "[cleanup]") {
  Fixture fixture("header_checks = h\n");
  fixture.book.broken = true;
  Mail mail(top + "\n");
  CHECK(taken(fixture, mail) == "refused 4.3.0 Error: queue file write error");
  CHECK(fixture.has_logged("warning: " + mail.verdict.queue_id +
                           ": header_checks map lookup problem"));
}

TEST_CASE("strict rules refuse content", "[cleanup]") {
  struct Case {
    const char* parameter;
    std::string content, outcome;
  };
  const std::string body_fault =
      "refused 5.6.0 improper use of 8-bit data in message body";
  const std::string header_fault =
      "refused 5.6.0 improper use of 8-bit data in message header";
  const std::string encoding_fault =
      "refused 5.6.0 invalid message/* or multipart/* encoding domain";
  const std::vector<Case> cases = {
      {"strict_7bit_headers", "S: \344\n\n", header_fault},
      {"strict_7bit_headers", "S: a\n\n\344\n", ""},
      {"strict_7bit_headers",
       "Content-Type: message/rfc822\n\nS: \344\n\n", header_fault},
      {"strict_8bitmime_body", "S: \344\n\n", ""},
      {"strict_8bitmime_body", "S: a\n\n\344\n", body_fault},
      {"strict_8bitmime_body",
       "Content-Transfer-Encoding: 8bit\n\n\344\n", ""},
      {"strict_8bitmime", "S: \344\n\n", header_fault},
      {"strict_8bitmime", "S: a\n\n\344\n", body_fault},
      {"strict_mime_encoding_domain",
       "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n",
       encoding_fault},
      {"strict_mime_encoding_domain",
       "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n", ""},
      {"disable_vrfy_command", "S: \344\n\n\344\n", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.parameter, c.content);
    Fixture fixture(std::string(c.parameter) + " = yes\n");
    Mail mail(top + c.content);
    CHECK(taken(fixture, mail) ==
          (c.outcome.empty() ? top + c.content : c.outcome));
  }
}

TEST_CASE("UTF-8 headers are in order where SMTPUTF8 was asked for",
          "[cleanup]") {
  Fixture fixture("strict_7bit_headers = yes\n");
  Mail mail(top + "S: \303\244\n\n");
  mail.begin.flags = ipc::smtputf8_requested;
  CHECK(taken(fixture, mail) == top + "S: \303\244\n\n");
}

TEST_CASE("nesting beyond the limit is refused where it is looked for",
          "[cleanup]") {
  std::string deep = top;
  for (int i = 0; i < 5; ++i) deep += "Content-Type: message/rfc822\n\n";
  struct Case {
    const char *settings, *outcome;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"header_checks = h\n",
            "refused 5.6.0 MIME nesting exceeds safety limit"},
           {"", ""},
       }) {
    CAPTURE(c.settings);
    Fixture fixture("mime_nesting_limit = 4\n" + std::string(c.settings));
    Mail mail(deep);
    CHECK(taken(fixture, mail) == (*c.outcome ? c.outcome : deep));
  }
}

TEST_CASE("characters are refused or taken out", "[cleanup]") {
  Fixture fixture(
      "message_reject_characters = \\0\n"
      "message_strip_characters = \\1\\a\n");
  Mail mail(top + "S: a\1b\n\na\ab\n");
  CHECK(taken(fixture, mail) == top + "S: ab\n\nab\n");
  Mail bad(top + "\nfoo" + std::string(1, '\0') + "bar\n");
  CHECK(taken(fixture, bad) == "refused 5.7.1 disallowed character");
  CHECK(fixture.has_logged("reject: content foo?bar from local;"));
}

TEST_CASE("lists of characters may have escapes", "[cleanup]") {
  CHECK(parse_characters("a\\n\\\\\\101\\0") ==
        std::string("a\n\\A") + '\0');
  CHECK(parse_characters("\\7z\\") == "\7z\\");
}

TEST_CASE("8-bit text is converted on its way in if it must be",
          "[cleanup]") {
  Fixture fixture("force_mime_input_conversion = yes\nbody_checks = b\n");
  fixture.book.tables["b"] = {{"=E4", "WARN seen"}};
  Mail mail(top + "Content-Transfer-Encoding: 8bit\n\n\344\n");
  CHECK(taken(fixture, mail) ==
        top + "Content-Transfer-Encoding: quoted-printable\n\n=E4\n");
  CHECK(fixture.has_logged("warning: body =E4 from local"));
  CHECK(fixture.stored(mail.verdict.queue_id).envelope.body == "7BIT");
}

TEST_CASE("the encoding header says what the body is", "[cleanup]") {
  struct Case {
    const char *given, *header, *settings, *body;
  };
  const std::vector<Case> cases = {
      {"", "8bit", "", "8BITMIME"},    {"8BITMIME", "7BIT", "", "7BIT"},
      {"7BIT", "base64", "", "7BIT"},
      {"", "8bit", "detect_8bit_encoding_header = no", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.given, c.header);
    Fixture fixture(c.settings);
    Mail mail(top + "Content-Transfer-Encoding: " + c.header + "\n\n");
    mail.begin.body = c.given;
    taken(fixture, mail);
    CHECK(fixture.stored(mail.verdict.queue_id).envelope.body == c.body);
  }
}

TEST_CASE("hard messages pass checks byte for byte", "[cleanup]") {
  using namespace std::string_literals;
  const std::vector<std::string> bodies = {
      "\344\366\374\n"s,
      "a\0b\n\0\n"s,
      std::string(998, 'x') + "\n" + std::string(9000, 'y') + "\n.\n..\n",
      "\n\n\n",
      "--\n-\n--s\n\n--s\nA: b\n--s--\n",
      "--s\nContent-Type: multipart/mixed; boundary=t\n\n--t\n\n--s\n no\n",
  };
  for (const std::string& body : bodies) {
    for (const std::size_t cut : {1, 5, 4096}) {
      CAPTURE(body, cut);
      Fixture fixture("header_checks = h\nbody_checks = b\n");
      const std::string content =
          top + "Content-Type: multipart/mixed; boundary=s\n\n" + body;
      Mail mail(content);
      mail.cut = cut;
      CHECK(taken(fixture, mail) == content);
    }
  }
}
