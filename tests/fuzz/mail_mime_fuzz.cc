// The structure of a message: wherever the stream is cut, the same comes of
// it; put together again it is the message; memory stays bounded.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/mime.h"

using namespace postern;
using namespace postern::mail;

namespace {

struct Reading {
  std::string structure;
  std::string text;
  bool cut = false;  // a header reached the limit
};

void note(Reading& out, const MimeReader::Item& item) {
  using Kind = MimeReader::Item::Kind;
  if (item.kind == Kind::header) {
    require(item.header.text.size() <= 64, "a header beyond the limit");
    out.cut = out.cut || item.header.text.size() == 64;
    out.structure += "h" + item.header.text + "\n";
    out.text += item.header.text + "\n";
    return;
  }
  if (item.kind == Kind::section_end)
    out.structure += item.composite ? "parts\n" : "leaf\n";
  else if (item.boundary)
    out.structure += "b";
  out.text += item.bytes;
}

Reading read(const std::string& head, std::string_view body, std::size_t cut,
             bool by_line) {
  MimeReader::Limits limits;
  limits.header = 64;
  limits.boundary = 8;
  limits.line = 16;
  limits.nesting = 4;
  limits.by_line = by_line;
  MimeReader reader(limits);
  Reading out;
  reader.primary({head, header_name_length(head)});
  note(out, reader.begin_body());
  for (std::size_t at = 0; at < body.size(); at += cut) {
    reader.feed(body.substr(at, cut));
    while (const auto item = reader.next()) note(out, *item);
  }
  reader.finish();
  while (const auto item = reader.next()) note(out, *item);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::size_t cut = data[0] % 41 + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const std::size_t end = bytes.find("\n\n");
  std::string head(bytes.substr(0, end));
  head.insert(0, header_name_length(head) == 0 ? "Content-Type: " : "");
  const std::string_view body =
      end == std::string_view::npos ? std::string_view() : bytes.substr(end + 2);
  const Reading whole = read(head, body, body.size() + 1, true);
  const Reading pieces = read(head, body, cut, true);
  const Reading bulk = read(head, body, cut, false);
  require(whole.structure == pieces.structure, "the cut shows");
  require(whole.text == pieces.text, "the cut shows in the text");
  require(whole.text == bulk.text, "large pieces read differently");
  // The last header gets a line end.
  if (!whole.cut)
    require(whole.text.starts_with(body) &&
                whole.text.size() <= body.size() + 1,
            "the body has changed");
  return 0;
}
