// The structure of a message body (RFC 2045, RFC 2046) as it streams by:
// which lines are headers of parts, which are boundaries, which are text, and
// what encoding the text is declared to have. Nothing is decoded or changed:
// the pieces, written one after the other, are the body again, but for header
// text beyond the limit.
//
//   MimeReader reader(limits);
//   reader.primary(header);       each header of the message itself
//   reader.begin_body();
//   reader.feed(bytes);           cut anywhere, lines end in LF
//   while (auto item = reader.next()) ...
//   reader.finish(); while (auto item = reader.next()) ...
//
// Memory is bounded by one header, one line limit, what is fed at once, and a
// boundary per level of nesting.
// Next: quoted_printable.h, which converts the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/header.h"

namespace postern::mail {

// What a Content-Transfer-Encoding says of the bytes (RFC 2045 section 6.2):
// quoted-printable, base64 and unknown ones are seven_bit.
enum class EncodingDomain : std::uint8_t { seven_bit, eight_bit, binary };

// Which kind of header section a header stands in, for header_checks(5).
enum class HeaderClass : std::uint8_t {
  primary,  // of the message itself
  mime,     // of a part; MIME headers of any section
  nested,   // of an attached message
};
// The class of a header of the message itself.
HeaderClass primary_class(const Header& header);

enum class MimeError : std::uint8_t { none, nesting, encoding_domain };

// What the headers of a message or part say of its content.
struct EntityType {
  enum class Kind : std::uint8_t { leaf, multipart, message };
  Kind kind = Kind::leaf;
  bool digest = false;          // parts are messages where they do not say
  bool seven_bit_only = false;  // message/partial, message/external-body
  bool structured = false;      // multipart, also without a boundary
  std::string boundary;
  EncodingDomain domain = EncodingDomain::seven_bit;
  std::string encoding;  // as declared, in lower case
  std::string described;  // the start of the Content-Type header, to quote

  // Takes what a header says, if it is one of those that say anything.
  void take(const Header& header);
};

// Is it a Content-Transfer-Encoding that says 8bit or binary?
bool declares_eight_bit(const Header& header);
// The domain that such a header declares.
EncodingDomain encoding_domain(std::string_view value);

class MimeReader {
 public:
  struct Limits {
    std::size_t header = 102400;  // header_size_limit
    std::size_t boundary = 2048;  // mime_boundary_length_limit
    std::size_t line = 2048;      // line_length_limit: longest text item
    std::size_t nesting = 100;    // mime_nesting_limit
    // False: text comes in large pieces of many lines, whatever `line` says.
    bool by_line = true;
    // False: all of the body is text (disable_mime_input_processing).
    bool structure = true;
  };

  struct Item {
    enum class Kind : std::uint8_t {
      header,       // one header of a part
      section_end,  // a header section ended
      text,
    };
    Kind kind = Kind::text;
    // --- header ---
    HeaderClass header_class = HeaderClass::mime;
    Header header;
    // --- section_end, text: the bytes as they are, line ends included ---
    std::string bytes;  // of section_end: the empty line, or nothing
    // section_end: what was declared. text: what holds for it, seven_bit
    // around the parts of a multipart.
    EncodingDomain domain = EncodingDomain::seven_bit;
    // section_end: the entity has parts, or is a message.
    bool composite = false;
    // section_end: where the entity breaks a rule, and what it said.
    MimeError error = MimeError::none;
    std::string error_text;
    // --- text ---
    bool boundary = false;  // a boundary line
    // Bytes of text before this, since the last header section or boundary.
    std::int64_t offset = 0;

    bool ends_line() const { return bytes.ends_with('\n'); }
  };

  explicit MimeReader(const Limits& limits) : limits_(limits) {}

  void primary(const Header& header) { entity_.take(header); }
  // Says what the headers declared, as a section_end without bytes.
  Item begin_body();
  void feed(std::string_view bytes);
  void finish() { finished_ = true; }
  // nullopt: feed more; after finish, that was all.
  std::optional<Item> next();

 private:
  // A multipart, or an attached message (without boundary).
  struct Level {
    std::string boundary;
    bool digest = false;
  };
  enum class State : std::uint8_t { text, mime_headers, nested_headers };

  std::string_view rest() const {
    return std::string_view(buffer_).substr(at_);
  }
  // A boundary and some text behind it on its line.
  std::size_t longest_boundary_line() const { return 1024 + limits_.boundary; }
  bool advance();
  bool read_header_line();
  bool skip_line();
  bool read_boundary_tail();
  bool read_text();
  bool boundary_line(std::string_view line);
  std::optional<std::size_t> level_of(std::string_view line) const;
  bool could_be_boundary(std::string_view start) const;
  void end_section(std::string_view separator);
  void put_header(Header header);
  void put_text(std::size_t size);
  std::size_t bulk_size() const;
  void begin_headers(State state, bool message_by_default);

  Limits limits_;
  State state_ = State::text;
  std::vector<Level> levels_;
  std::size_t boundaries_ = 0;  // levels that have one
  EntityType entity_;
  HeaderSplitter splitter_;
  EncodingDomain domain_ = EncodingDomain::seven_bit;
  std::int64_t offset_ = 0;
  bool at_line_start_ = true;
  bool skipping_ = false;  // the rest of a header line that is too long
  bool in_boundary_ = false;  // a boundary line whose end has not come yet
  bool finished_ = false;
  std::string buffer_;
  std::size_t at_ = 0;
  std::deque<Item> items_;
};

}  // namespace postern::mail
