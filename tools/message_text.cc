#include "tools/message_text.h"

#include <utility>

#include "common/base/text.h"
#include "common/mail/tokens.h"

namespace postern::tools {
namespace {

constexpr std::size_t longest_piece = 32768;

bool is_mailbox_line(std::string_view line) {
  return line.starts_with("From ") || line.starts_with(">From ");
}

}  // namespace

std::optional<LineEnds> line_ends_from(std::string_view name) {
  if (name == "always") return LineEnds::always;
  if (name == "strict") return LineEnds::strict;
  if (name == "never") return LineEnds::never;
  return std::nullopt;
}

bool MessageText::strips_return() {
  if (strip_) return *strip_;
  return rules_.line_ends != LineEnds::never;
}

std::optional<MessageText::Piece> MessageText::read() {
  Piece piece;
  int c = EOF;
  while ((c = ::getc_unlocked(input_)) != EOF && c != '\n') {
    piece.text += static_cast<char>(c);
    if (piece.text.size() < longest_piece || c == '\r') continue;
    piece.complete = false;
    return piece;
  }
  if (c == EOF && piece.text.empty()) return std::nullopt;
  const bool has_return = piece.text.ends_with('\r');
  // strict: what the first line is, all are.
  if (!strip_ && rules_.line_ends == LineEnds::strict) strip_ = has_return;
  if (has_return && strips_return()) piece.text.pop_back();
  return piece;
}

std::optional<MessageText::Piece> MessageText::next() {
  for (;;) {
    if (ended_) return std::nullopt;
    std::optional<Piece> piece = read();
    const bool whole = at_line_start_ && piece && piece->complete;
    if (!piece || (whole && rules_.lone_dot_ends && piece->text == ".")) {
      ended_ = true;
      return std::nullopt;
    }
    at_line_start_ = piece->complete;
    if (first_ && whole && is_mailbox_line(piece->text)) {
      mailbox_lines_.push_back(std::move(piece->text));
      continue;
    }
    first_ = false;
    return piece;
  }
}

std::string uucp_sender(const std::vector<std::string>& mailbox_lines) {
  std::string path;
  std::string user;
  for (const std::string& line : mailbox_lines) {
    const std::vector<std::string> words = split_words(line, " \t");
    if (words.size() < 2) break;
    user = words[1];
    const std::size_t count = words.size();
    if (count < 5 || words[count - 3] != "remote" || words[count - 2] != "from")
      break;
    path += words[count - 1] + "!";
  }
  return user.empty() ? "" : path + user;
}

void HeaderRecipients::take(const std::optional<mail::Header>& header) {
  if (!header) return;
  const mail::HeaderInfo& info = header->info();
  if (info.has(mail::HeaderUse::resent)) resent_ = true;
  if (!info.has(mail::HeaderUse::extract)) return;
  std::vector<std::string>& to =
      info.has(mail::HeaderUse::resent) ? resent_addresses_ : ordinary_;
  for (std::string& address : mail::extract_addresses(header->value()))
    to.push_back(std::move(address));
}

void HeaderRecipients::feed(const MessageText::Piece& piece) {
  if (over_) return;
  if (line_.size() < limit_) line_ += piece.text;
  if (!piece.complete) return;
  std::optional<mail::Header> completed;
  over_ = splitter_.feed(line_, completed) != mail::HeaderSplitter::Line::header;
  line_.clear();
  take(completed);
}

std::vector<std::string> HeaderRecipients::finish() {
  if (!over_) take(splitter_.finish());
  over_ = true;
  return resent_ ? resent_addresses_ : ordinary_;
}

}  // namespace postern::tools
