// A message as a local program writes it to sendmail's standard input: where
// it ends, and the recipients that its header names.
#pragma once

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/header.h"

namespace postern::tools {

enum class LineEnds { always, strict, never };  // sendmail_fix_line_endings
std::optional<LineEnds> line_ends_from(std::string_view name);

class MessageText {
 public:
  struct Rules {
    bool lone_dot_ends = true;  // not with -i
    LineEnds line_ends = LineEnds::always;
  };
  // `input` must outlive this.
  MessageText(std::FILE* input, Rules rules) : input_(input), rules_(rules) {}

  struct Piece {
    std::string text;      // without line end
    bool complete = true;  // the line ends here
  };
  // The next line, or piece of a long one; nullopt at the end of the message.
  // Lines before the header that a mailbox or UUCP put there ("From ") are
  // left out.
  std::optional<Piece> next();
  // The lines that were left out, known after the first next().
  const std::vector<std::string>& mailbox_lines() const {
    return mailbox_lines_;
  }
  // Reading failed before the end.
  bool failed() const { return std::ferror(input_) != 0; }

 private:
  std::optional<Piece> read();
  bool strips_return();

  std::FILE* input_;
  Rules rules_;
  bool first_ = true;
  bool at_line_start_ = true;
  bool ended_ = false;
  std::optional<bool> strip_;
  std::vector<std::string> mailbox_lines_;
};

// The sender by what UUCP put in front of a message (RFC 976 section 2.4):
// "From bob DATE remote from b", ">From al DATE remote from a" is b!a!al.
// Empty when the lines do not say.
std::string uucp_sender(const std::vector<std::string>& mailbox_lines);

// What sendmail -t looks for. Give it every piece; ask at the end.
class HeaderRecipients {
 public:
  explicit HeaderRecipients(std::size_t header_limit)
      : limit_(header_limit), splitter_(header_limit, true) {}

  void feed(const MessageText::Piece& piece);
  // Internal forms; those of Resent- headers alone when there are any.
  std::vector<std::string> finish();

 private:
  void take(const std::optional<mail::Header>& header);

  std::size_t limit_;
  mail::HeaderSplitter splitter_;
  std::string line_;
  bool over_ = false;
  bool resent_ = false;
  std::vector<std::string> ordinary_;
  std::vector<std::string> resent_addresses_;
};

}  // namespace postern::tools
