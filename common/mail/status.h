// Enhanced status codes (RFC 3463, RFC 2034) and SMTP replies (RFC 5321
// section 4.2), as texts and as what a client reads from the wire.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

// Length of the enhanced status code at the start of the text: class 2, 4 or
// 5, subject and detail of one to three digits each, then a space or the end.
// 0: none there.
std::size_t status_length(std::string_view text);

// The whole text is one enhanced status code.
bool valid_status(std::string_view text);

struct StatusText {
  std::string status;  // "5.1.1"
  std::string text;    // what follows, blanks before it removed
};

// "5.1.1 no such user" in its parts; without a code at its start the text
// gets `default_status`.
StatusText split_status(std::string_view text, std::string_view default_status);

// What a delivery status filter made of `before` (default_delivery_status_
// filter): the class may not change between success and failure. `complaint`:
// why the answer is of no use; `before` stands then.
struct FilteredStatus {
  StatusText now;
  std::string complaint;
};
FilteredStatus filter_status(const StatusText& before, std::string_view answer);

// As a permanent failure reads that is to be taken for a temporary one
// (soft_bounce): a leading 5 becomes 4. Works on codes and on reply lines
// ("550 5.1.1 no" gives "450 4.1.1 no"); anything else stays as it is.
std::string soften_status(std::string_view status);
std::string soften_reply(std::string_view reply);

// The status code that fits an SMTP reply code without one ("5.0.0" for 550),
// "" when the reply code has no such class.
std::string status_for_code(int code);

// A reply code for a status code: its own class with the digits of
// `default_code` when both agree in class, else 250, 450 or 550.
int code_for_status(std::string_view status, int default_code);

// RFC 2034 section 4: the class of the status is the first digit of the code.
bool status_fits_code(std::string_view status, int code);

// A server's reply. `lines` are as received, codes included, line ends
// removed.
struct ParsedReply {
  int code = 0;
  std::vector<std::string> lines;
  std::string status;  // of the last line, when it fits the code; else ""

  // The lines as one text, for logs and notices.
  std::string text(std::string_view separator = " ") const;
  // The last line without code and status.
  std::string_view last_text() const;
};

// Reads the reply to one command line by line.
class ReplyParser {
 public:
  // `text` lines and bytes past these limits are dropped; codes still count.
  static constexpr std::size_t max_lines = 500;
  static constexpr std::size_t max_bytes = 65536;

  enum class Step {
    more,     // the reply goes on
    done,     // this was its last line
    garbage,  // not a reply line. It is kept among the lines and the reply
              // goes on; a client that pipelines had better hang up
  };
  Step feed(std::string_view line);

  // The reply after `done`; the parser is then ready for the next one.
  ParsedReply take();

 private:
  ParsedReply reply_;
  std::size_t bytes_ = 0;
};

}  // namespace postern::mail
