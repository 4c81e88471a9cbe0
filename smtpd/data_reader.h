// Message content as it comes from the wire: line ends become LF, dots are
// unstuffed (RFC 5321 section 4.5.2), the end of DATA is found. What counts
// as the end is the heart of SMTP smuggling (CVE-2023-51764): see EndRule.
// Pure: bytes in, bytes out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtpd {

// smtpd_forbid_bare_newline, as it concerns DATA.
enum class EndRule {
  any_newline,    // a line with a dot alone ends it, CRLF or LF
  standard_only,  // only CRLF . CRLF does; other lone dots are dropped
};

class DataReader {
 public:
  enum class Framing { dot, counted };  // DATA, BDAT

  DataReader(Framing framing, EndRule rule) : framing_(framing), rule_(rule) {}

  // Takes as much of `input` as can be judged and appends content to `out`.
  // Gives the number of bytes consumed; the rest must be offered again with
  // what follows it.
  std::size_t feed(std::string_view input, std::string& out);

  // Counted framing: no more input will come. Appends what was held back, and
  // a line end where the last line has none.
  void finish(std::string_view rest, std::string& out);

  bool ended() const { return ended_; }
  // A line ended in LF without CR.
  bool saw_bare_newline() const { return saw_bare_newline_; }
  // Bytes of the content with CRLF line ends.
  std::int64_t size() const { return size_; }

 private:
  std::size_t first_line(std::string_view input, std::string& out);
  void line(std::string_view text, bool bare, std::string& out);
  void part(std::string_view text, std::string& out);
  bool is_end(std::string_view text, bool bare);
  std::size_t tail(std::string_view input, std::string& out);

  Framing framing_;
  EndRule rule_;
  bool first_ = true;       // the very first line is still to come
  bool line_start_ = true;
  bool previous_bare_ = false;
  bool saw_bare_newline_ = false;
  bool ended_ = false;
  std::int64_t size_ = 0;
};

}  // namespace postern::smtpd
