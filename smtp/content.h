// A message as it goes over the wire after DATA (RFC 5321 4.5.2): LF becomes
// CRLF, a line that begins with a dot gets another, lines beyond the limit are
// broken by CRLF and a space (smtp_line_length_limit).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::smtp {

class ContentEncoder {
 public:
  // `line_limit` bytes without line end; 0: lines are left whole.
  explicit ContentEncoder(std::size_t line_limit) : limit_(line_limit) {}

  // Appends the next piece of the message, cut anywhere, to `out`.
  void encode(std::string_view piece, std::string& out);
  // Completes the last line where its end is missing. The lone dot is not
  // ours to write.
  void finish(std::string& out);

  // Was any line too long?
  bool broke_lines() const { return broke_lines_; }

 private:
  // A part of a line, without line end.
  void text(std::string_view part, std::string& out);

  std::size_t limit_;
  std::size_t column_ = 0;  // bytes of the current line on the wire
  bool broke_lines_ = false;
  bool at_start_ = true;    // of a line of the message
};

}  // namespace postern::smtp
