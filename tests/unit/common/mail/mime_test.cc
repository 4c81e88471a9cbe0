#include "common/mail/mime.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace postern::mail;

namespace {

struct Reading {
  std::string seen;   // a line for each item
  std::string bytes;  // the body, put together again
  std::size_t longest = 0;
};

void note(Reading& out, const MimeReader::Item& item) {
  using Kind = MimeReader::Item::Kind;
  if (item.kind == Kind::header) {
    const bool nested = item.header_class == HeaderClass::nested;
    out.seen += std::string(nested ? "nested" : "mime") + " " +
                std::string(item.header.name()) + "\n";
    out.bytes += item.header.text + "\n";
    return;
  }
  out.bytes += item.bytes;
  out.longest = std::max(out.longest, item.bytes.size());
  if (item.kind == Kind::section_end) {
    out.seen += item.composite ? "parts" : "leaf";
    if (item.domain != EncodingDomain::seven_bit) out.seen += " 8bit";
    if (item.error == MimeError::nesting) out.seen += " too deep";
    if (item.error == MimeError::encoding_domain)
      out.seen += " bad encoding " + item.error_text;
    out.seen += "\n";
    return;
  }
  std::string line = item.bytes;
  if (!line.empty() && line.back() == '\n') line.pop_back();
  out.seen += item.boundary ? "boundary " : "text ";
  if (item.domain != EncodingDomain::seven_bit) out.seen += "8bit ";
  out.seen += line + "\n";
}

Reading read(const std::vector<std::string>& primary, const std::string& body,
             std::size_t cut = 1 << 20, MimeReader::Limits limits = {}) {
  Reading out;
  MimeReader reader(limits);
  for (const std::string& text : primary)
    reader.primary({text, header_name_length(text)});
  note(out, reader.begin_body());
  for (std::size_t at = 0; at < body.size(); at += cut) {
    reader.feed(std::string_view(body).substr(at, cut));
    while (const auto item = reader.next()) note(out, *item);
  }
  reader.finish();
  while (const auto item = reader.next()) note(out, *item);
  return out;
}

}  // namespace

TEST_CASE("the structure of a body is found", "[mail]") {
  struct Case {
    const char* about;
    std::vector<std::string> primary;
    std::string body, seen;
  };
  const std::vector<Case> cases = {
      {"plain", {"Subject: x"}, "a\n--b\n\n", "leaf\ntext a\ntext --b\ntext \n"},
      {"multipart",
       {"Content-Type: multipart/mixed; boundary=b"},
       "pre\n--b\nContent-Type: text/plain\nX-Y: z\n\ntext\n--b--\npost\n--b\n",
       "parts\ntext pre\nboundary --b\nmime Content-Type\nmime X-Y\nleaf\n"
       "text text\nboundary --b--\ntext post\ntext --b\n"},
      {"a quoted boundary with comments",
       {"content-type: (c;boundary=no) Multipart (x) / Mixed ; x=\"a;boundary="
        "no\";\n BOUNDARY (y) = \"a \\\"b\" ; z"},
       "--a \"b\n\nt\n",
       "parts\nboundary --a \"b\nleaf\ntext t\n"},
      {"an unquoted boundary with odd characters",
       {"Content-Type: multipart/mixed; boundary=a=?/b ; x=y"},
       "--a=?/b\n\nt\n",
       "parts\nboundary --a=?/b\nleaf\ntext t\n"},
      {"an attached message",
       {"Content-Type: message/rfc822"},
       "Subject: x\n folded\nMIME-Version: 1.0\n\ntext\n",
       "parts\nnested Subject\nmime MIME-Version\nleaf\ntext text\n"},
      {"digest parts are messages",
       {"Content-Type: multipart/digest; boundary=b"},
       "--b\n\nSubject: x\n\ntext\n--b\nContent-Type: text/plain\n\nA: b\n",
       "parts\nboundary --b\nparts\nnested Subject\nleaf\ntext text\n"
       "boundary --b\nmime Content-Type\nleaf\ntext A: b\n"},
      {"a part without headers",
       {"Content-Type: multipart/mixed; boundary=b"},
       "--b\nno header\nA: b\n--b\n--b--\n",
       "parts\nboundary --b\nleaf\ntext no header\ntext A: b\nboundary --b\n"
       "leaf\nboundary --b--\n"},
      {"the outer boundary ends the inner parts",
       {"Content-Type: multipart/mixed; boundary=a"},
       "--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--a\n\nu\n"
       "--b\n",
       "parts\nboundary --a\nmime Content-Type\nparts\nboundary --b\nleaf\n"
       "text t\nboundary --a\nleaf\ntext u\ntext --b\n"},
      {"a boundary that looks like a header",
       {"Content-Type: multipart/mixed; boundary=\"=:b\""},
       "--=:b\nX: y\n--=:b\n\nt\n",
       "parts\nboundary --=:b\nmime X\nleaf\nboundary --=:b\nleaf\ntext t\n"},
      {"encodings hold for their part",
       {"Content-Transfer-Encoding: 8bit",
        "Content-Type: multipart/mixed; boundary=b"},
       "pre\n--b\nContent-Transfer-Encoding: binary\n\nt\n--b\n\nu\n--b--\npost\n",
       "parts 8bit\ntext pre\nboundary --b\nmime Content-Transfer-Encoding\n"
       "leaf 8bit\ntext 8bit t\nboundary --b\nleaf\ntext u\nboundary --b--\n"
       "text post\n"},
      {"an encoded multipart",
       {"Content-Transfer-Encoding: base64",
        "Content-Type: multipart/mixed; boundary=b"},
       "",
       "parts bad encoding base64\n"},
      {"partial messages are for 7 bits",
       {"Content-Transfer-Encoding: 8BIT", "Content-Type: message/partial"},
       "t\n",
       "leaf 8bit bad encoding 8bit\ntext 8bit t\n"},
      {"a multipart without boundary",
       {"Content-Type: multipart/mixed", "Content-Transfer-Encoding: 8bit"},
       "--x\n",
       "parts 8bit\ntext --x\n"},
      {"the end within headers",
       {"Content-Type: multipart/mixed; boundary=b"},
       "--b\nA: b",
       "parts\nboundary --b\nmime A\nleaf\n"},
      {"the end after a boundary",
       {"Content-Type: multipart/mixed; boundary=b"},
       "--b",
       "parts\nboundary --b\nleaf\n"},
      {"the end within a line", {"A: b"}, "text", "leaf\ntext text\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.about);
    const Reading whole = read(c.primary, c.body);
    CHECK(whole.seen == c.seen);
    CHECK(whole.bytes.substr(0, c.body.size()) == c.body);
    for (const std::size_t cut : {1, 2, 3, 7}) {
      CAPTURE(cut);
      CHECK(read(c.primary, c.body, cut).seen == c.seen);
    }
  }
}

TEST_CASE("without structure all is text", "[mail]") {
  MimeReader::Limits limits;
  limits.structure = false;
  CHECK(read({"Content-Type: multipart/mixed; boundary=b"}, "--b\nA: b\n", 9,
             limits)
            .seen == "parts\ntext --b\ntext A: b\n");
}

TEST_CASE("nesting is bounded and told", "[mail]") {
  MimeReader::Limits limits;
  limits.nesting = 2;
  std::string body;
  for (const char* level : {"a", "b", "c"})
    body += "--" + std::string(level) +
            "\nContent-Type: multipart/mixed; boundary=" +
            std::string(1, static_cast<char>(level[0] + 1)) + "\n\n";
  const Reading deep = read({"Content-Type: multipart/mixed; boundary=a"}, body,
                            5, limits);
  CHECK(deep.seen.find("parts too deep") != std::string::npos);
  CHECK(deep.bytes == body);

  std::string bomb;
  for (int i = 0; i < 5000; ++i) bomb += "Content-Type: message/rfc822\n\n";
  const Reading many = read({"Content-Type: message/rfc822"}, bomb, 4096);
  CHECK(many.seen.find("too deep") != std::string::npos);
  CHECK(many.bytes == bomb);
}

TEST_CASE("over-long lines, headers and boundaries stay bounded", "[mail]") {
  MimeReader::Limits limits;
  limits.header = 100;
  limits.boundary = 20;
  limits.line = 50;
  const std::string many(100'000, 'x');
  const std::string body = "--" + many + "\n" + many + "\n" + "--" +
                           many.substr(0, 20) + "\nX-Long: " + many + "\n " +
                           many + "\nB: c\n\n" + many;
  Reading whole =
      read({"Content-Type: multipart/mixed; boundary=" + many}, body,
           1 << 20, limits);
  CHECK(whole.longest <= 2000);
  CHECK(whole.seen.find("mime B\n") != std::string::npos);
  const Reading cut = read(
      {"Content-Type: multipart/mixed; boundary=" + many}, body, 777, limits);
  CHECK(cut.bytes == whole.bytes);
}

TEST_CASE("hard bodies come out byte for byte", "[mail]") {
  using namespace std::string_literals;
  const std::vector<std::string> bodies = {
      "\344\366\374\n"s,
      "a\0b\n\0\0"s,
      std::string(998, 'x') + "\n" + std::string(5000, 'y') + "\n.\n..\n",
      "no end",
      "\n\n\n",
      "--\n-\n--b\n\n-\n--",
      "--b\r\nA: b\r\n\r\nt\r\n--b--\r\n",
      "--b\n \nleading blank\n--b\n\tA: b\n",
  };
  for (const bool by_line : {true, false}) {
    for (const std::string& body : bodies) {
      CAPTURE(body, by_line);
      MimeReader::Limits limits;
      limits.by_line = by_line;
      for (const std::size_t cut : {1, 3, 4096})
        CHECK(read({"Content-Type: multipart/mixed; boundary=b"}, body, cut,
                   limits)
                  .bytes == body);
    }
  }
}

TEST_CASE("what a Content-Transfer-Encoding declares", "[mail]") {
  const auto declares = [](const std::string& text) {
    return declares_eight_bit({text, header_name_length(text)});
  };
  CHECK(declares("Content-Transfer-Encoding: 8bit"));
  CHECK(declares("content-transfer-encoding:\n (x) BINARY (y)"));
  CHECK_FALSE(declares("Content-Transfer-Encoding: 7bit"));
  CHECK_FALSE(declares("Content-Transfer-Encoding: \"8bit\""));
  CHECK_FALSE(declares("Content-Transfer-Encoding: x-8bit"));
  CHECK_FALSE(declares("Content-Type: 8bit"));
}
