#include "smtpd/data_reader.h"

#include <catch2/catch.hpp>

using namespace postern::smtpd;

namespace {

struct Read {
  std::string out;
  std::size_t consumed = 0;
  bool ended = false;
  bool bare = false;
};

// Feeds `input` in pieces of `step` bytes, as the network might.
Read read(const std::string& input, EndRule rule, std::size_t step) {
  DataReader reader(DataReader::Framing::dot, rule);
  Read result;
  std::string pending;
  std::size_t offered = 0;
  while (!reader.ended() && offered < input.size()) {
    const std::string piece = input.substr(offered, step);
    offered += piece.size();
    pending += piece;
    const std::size_t used = reader.feed(pending, result.out);
    pending.erase(0, used);
    result.consumed += used;
  }
  result.ended = reader.ended();
  result.bare = reader.saw_bare_newline();
  return result;
}

struct Case {
  const char* what;
  EndRule rule;
  std::string input;
  std::string out;
  bool ended;
  std::string left;  // behind the end
};

constexpr EndRule any = EndRule::any_newline;
constexpr EndRule standard = EndRule::standard_only;

const Case cases[] = {
    {"plain", standard, "a\r\nb\r\n.\r\n", "a\nb\n", true, ""},
    {"empty", standard, ".\r\nQUIT\r\n", "", true, "QUIT\r\n"},
    {"stuffed dots", standard, "..one\r\n...\r\n.two\r\na.\r\n..\r\n.\r\n",
     ".one\n..\ntwo\na.\n.\n", true, ""},
    {"LF . LF is no end", standard, "A\n.\nB\r\n.\r\n", "A\nB\n", true, ""},
    {"LF . CRLF is no end", standard, "A\n.\r\nB\r\n.\r\n", "A\nB\n", true,
     ""},
    {"CRLF . LF is no end", standard, "A\r\n.\nB\r\n.\r\n", "A\nB\n", true,
     ""},
    {"CR . CR is no end", standard, "D\r.\rE\r.\r\nF\r\n.\r\n",
     "D\r.\rE\r.\nF\n", true, ""},
    {"CR . CRLF is no end", standard, "D\r.\r\nF\r\n.\r\n", "D\r.\nF\n", true,
     ""},
    {"a dot before a lone CR is only unstuffed", standard,
     "F\r\n.\rG\r\n.\r\n", "F\n\rG\n", true, ""},
    {"CR CRLF keeps its CR", standard, "x\r\r\n.\r\n", "x\r\n", true, ""},
    {"an end behind CR CRLF is one", standard, "x\r\r\n.\r\nNOOP", "x\r\n",
     true, "NOOP"},
    {". CR CRLF is no end", standard, "x\r\n.\r\r\ny\r\n.\r\n", "x\n\r\ny\n",
     true, ""},
    {"any newline: LF . LF ends", any, "A\n.\nB", "A\n", true, "B"},
    {"any newline: LF . CRLF ends", any, "A\n.\r\nB", "A\n", true, "B"},
    {"any newline: CRLF . LF ends", any, "A\r\n.\nB", "A\n", true, "B"},
    {"any newline: CR . CR does not", any, "A\r.\rB\r\n.\r\n", "A\r.\rB\n",
     true, ""},
    {"mbox line", standard, "From a@b Sun\r\n>From c\r\nS: x\r\n.\r\n",
     "X-Mailbox-Line: From a@b Sun\nX-Mailbox-Line: >From c\nS: x\n", true,
     ""},
    {"a blank first makes it body", standard, " x\r\n.\r\n", "\n x\n", true,
     ""},
    {"NUL passes", standard, std::string("a\0b\r\n.\r\n", 8),
     std::string("a\0b\n", 4), true, ""},
    {"unfinished", standard, "a\r\n.", "a\n", false, ""},
};

}  // namespace

TEST_CASE("content is the same however the network cuts it") {
  for (const Case& c : cases) {
    for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u}) {
      CAPTURE(c.what, step);
      const Read got = read(c.input, c.rule, step);
      CHECK(got.out == c.out);
      CHECK(got.ended == c.ended);
      if (c.ended)
        CHECK(c.input.substr(got.consumed).starts_with(c.left));
      if (c.ended && step == 1000) CHECK(c.input.substr(got.consumed) == c.left);
    }
  }
}

TEST_CASE("bare newlines are noticed") {
  CHECK_FALSE(read("a\r\n.\r\n", standard, 99).bare);
  CHECK(read("a\nb\r\n.\r\n", standard, 99).bare);
  CHECK(read("a\r\n.\nb\r\n.\r\n", standard, 99).bare);
}

TEST_CASE("the size counts CRLF line ends, whatever came") {
  DataReader reader(DataReader::Framing::dot, standard);
  std::string out;
  reader.feed("ab\nc\r\n.\r\n", out);
  CHECK(reader.size() == 7);
}

TEST_CASE("counted content keeps its dots and gets a last line end") {
  for (const std::size_t step : {1u, 4u, 100u}) {
    CAPTURE(step);
    DataReader reader(DataReader::Framing::counted, any);
    const std::string input = "S: x\r\n\r\n.\r\n..a\r\nlast";
    std::string out, pending;
    for (std::size_t at = 0; at < input.size(); at += step) {
      pending += input.substr(at, step);
      pending.erase(0, reader.feed(pending, out));
    }
    reader.finish(pending, out);
    CHECK(out == "S: x\n\n.\n..a\nlast\n");
    CHECK(reader.ended());
  }
}

TEST_CASE("a very long first line does not wait for its end") {
  DataReader reader(DataReader::Framing::dot, standard);
  std::string out;
  const std::string longish(5000, 'x');
  CHECK(reader.feed(longish, out) == longish.size());
  CHECK(out == longish);
}
