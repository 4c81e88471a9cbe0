// The header section of a message (RFC 5322 section 2.2): telling header lines
// from others, what is known about a header by its name, reading the section
// line by line, and writing display names into From.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::mail {

// Length of the name when the line begins a header: printable ASCII without
// blanks, then blanks (which RFC 5322 calls obsolete), then a colon. 0: not a
// header. With `utf8`, bytes beyond ASCII may be in the name.
std::size_t header_name_length(std::string_view line, bool utf8 = false);

// What is done with a header because of its name.
enum class HeaderUse : std::uint16_t {
  none = 0,
  sender = 1,     // its value is a list of addresses of senders
  recipient = 2,  // its value is a list of addresses of recipients
  extract = 4,    // sendmail -t takes recipients from it
  resent = 8,     // it belongs to a resent block
  once = 16,      // one per message (RFC 5322 section 3.6)
  drop = 32,      // never stays in a message that is taken in (Bcc...)
  mime = 64,      // RFC 2045 structure
  trace = 128,    // counted against hopcount_limit
};
constexpr HeaderUse operator|(HeaderUse a, HeaderUse b) {
  return static_cast<HeaderUse>(static_cast<unsigned>(a) |
                                static_cast<unsigned>(b));
}

enum class HeaderId : std::uint8_t {
  unknown,
  apparently_to,
  bcc,
  cc,
  content_description,
  content_disposition,
  content_id,
  content_length,
  content_transfer_encoding,
  content_type,
  date,
  delivered_to,
  disposition_notification_to,
  errors_to,
  from,
  mail_followup_to,
  message_id,
  mime_version,
  received,
  reply_to,
  resent_bcc,
  resent_cc,
  resent_date,
  resent_from,
  resent_message_id,
  resent_reply_to,
  resent_sender,
  resent_to,
  return_path,
  return_receipt_to,
  sender,
  subject,
  to,
};

struct HeaderInfo {
  std::string_view name;  // "Reply-To", "" for unknown
  HeaderId id = HeaderId::unknown;
  HeaderUse use = HeaderUse::none;

  bool has(HeaderUse wanted) const {
    return (static_cast<unsigned>(use) & static_cast<unsigned>(wanted)) != 0;
  }
  bool has_addresses() const {
    return has(HeaderUse::sender) || has(HeaderUse::recipient);
  }
};
// By name, whatever its case. Never null: unknown names give an entry with
// id `unknown`.
const HeaderInfo& find_header(std::string_view name);

// One header with its folding: lines joined by "\n", no line end at the end.
struct Header {
  std::string text;
  std::size_t name_length = 0;

  std::string_view name() const {
    return std::string_view(text).substr(0, name_length);
  }
  // What follows the colon, without blanks at either end.
  std::string_view value() const;
  const HeaderInfo& info() const { return find_header(name()); }
};

// Reads a header section line by line (no line ends). For each line: call
// feed; then take the header it completed, if any.
class HeaderSplitter {
 public:
  // Text beyond `size_limit` bytes of one header is dropped
  // (header_size_limit).
  explicit HeaderSplitter(std::size_t size_limit = 102400, bool utf8 = false)
      : size_limit_(size_limit), utf8_(utf8) {}

  enum class Line {
    header,     // it begins or continues a header
    separator,  // the empty line: the section ends, the body follows
    body,       // not a header: the section ended before it, and an empty line
                // is to be put in front
  };
  // `completed` receives the header before this line. After `separator` or
  // `body` no more lines may be fed.
  Line feed(std::string_view line, std::optional<Header>& completed);

  // The last header when the message ends within its header section.
  std::optional<Header> finish();

  bool truncated() const { return truncated_; }

 private:
  void append(std::string_view line);

  std::size_t size_limit_;
  bool utf8_;
  bool truncated_ = false;
  std::optional<Header> current_;
};

// header_from_format: `Name <address>` or `address (Name)`.
enum class FromFormat { standard, obsolete };

// A From header line without line end. `address` is in internal form; a name
// that is not plain words is quoted, and one that is not ASCII is encoded
// (RFC 2047 section 5) unless `utf8` headers are in order.
std::string from_header(std::string_view label, std::string_view name,
                        std::string_view address, FromFormat format,
                        bool utf8 = false);

// Text as encoded-words in UTF-8 (Latin-1 when it is not valid UTF-8), each of
// at most 75 characters, joined by a space.
std::string encode_words(std::string_view text);

}  // namespace postern::mail
