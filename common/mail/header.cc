// See header.h.
#include "common/mail/header.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::mail {
namespace {

using Use = HeaderUse;
using Id = HeaderId;

constexpr Use to_us = Use::recipient | Use::extract;
constexpr Use resent_to_us = to_us | Use::resent;

// Sorted by name.
constexpr std::array<HeaderInfo, 32> known = {{
    {"Apparently-To", Id::apparently_to, Use::recipient},
    {"Bcc", Id::bcc, to_us | Use::drop},
    {"Cc", Id::cc, to_us},
    {"Content-Description", Id::content_description, Use::mime},
    {"Content-Disposition", Id::content_disposition, Use::mime},
    {"Content-ID", Id::content_id, Use::mime},
    {"Content-Length", Id::content_length, Use::drop},
    {"Content-Transfer-Encoding", Id::content_transfer_encoding, Use::mime},
    {"Content-Type", Id::content_type, Use::mime},
    {"Date", Id::date, Use::once},
    {"Delivered-To", Id::delivered_to, Use::trace},
    {"Disposition-Notification-To", Id::disposition_notification_to,
     Use::sender},
    {"Errors-To", Id::errors_to, Use::sender},
    {"From", Id::from, Use::sender | Use::once},
    {"Mail-Followup-To", Id::mail_followup_to, Use::sender},
    {"Message-Id", Id::message_id, Use::once},
    {"MIME-Version", Id::mime_version, Use::mime},
    {"Received", Id::received, Use::trace},
    {"Reply-To", Id::reply_to, Use::sender | Use::once},
    {"Resent-Bcc", Id::resent_bcc, resent_to_us | Use::drop},
    {"Resent-Cc", Id::resent_cc, resent_to_us},
    {"Resent-Date", Id::resent_date, Use::resent},
    {"Resent-From", Id::resent_from, Use::sender | Use::resent},
    {"Resent-Message-Id", Id::resent_message_id, Use::resent},
    {"Resent-Reply-To", Id::resent_reply_to, Use::sender | Use::resent},
    {"Resent-Sender", Id::resent_sender, Use::sender | Use::resent},
    {"Resent-To", Id::resent_to, resent_to_us},
    {"Return-Path", Id::return_path, Use::sender | Use::drop},
    {"Return-Receipt-To", Id::return_receipt_to, Use::sender},
    {"Sender", Id::sender, Use::sender | Use::once},
    {"Subject", Id::subject, Use::once},
    {"To", Id::to, to_us},
}};

bool less_nocase(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](char x, char y) { return lower(x) < lower(y); });
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Words of RFC 5322 atoms, dots within them tolerated as in initials.
bool is_plain_phrase(std::string_view name) {
  constexpr std::string_view specials = "()<>@,;:\\\".[]";
  return std::none_of(name.begin(), name.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < ' ' || byte == 0x7f ||
           specials.find(c) != std::string_view::npos;
  });
}

std::string escaped(std::string_view text, std::string_view characters) {
  std::string result;
  for (const char c : text) {
    if (characters.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

// As a comment: balanced parentheses stand, others are escaped.
std::string as_comment(std::string_view name) {
  int depth = 0;
  bool balanced = true;
  for (const char c : name) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    balanced = balanced && depth >= 0;
  }
  balanced = balanced && depth == 0;
  return "(" + escaped(name, balanced ? "\\" : "\\()") + ")";
}

// The length of the character at the start of valid UTF-8.
std::size_t character_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (text[length] & 0xc0) == 0x80) ++length;
  return length;
}

// Q encoding as section 5 (3) of RFC 2047 allows in a phrase.
void append_q(std::string& word, std::string_view character) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : character) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      word += '_';
    } else if (is_alnum(c) || c == '!' || c == '*' || c == '-' || c == '/') {
      word += c;
    } else {
      word += '=';
      word += digits[byte >> 4];
      word += digits[byte & 15];
    }
  }
}

}  // namespace

std::size_t header_name_length(std::string_view line, bool utf8) {
  std::size_t length = 0;
  while (length < line.size()) {
    const auto byte = static_cast<unsigned char>(line[length]);
    const bool name_character =
        byte > ' ' && byte != 0x7f && byte != ':' && (byte < 0x80 || utf8);
    if (!name_character) break;
    ++length;
  }
  std::size_t colon = length;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? length : 0;
}

const HeaderInfo& find_header(std::string_view name) {
  static constexpr HeaderInfo unknown;
  const auto* found =
      std::lower_bound(known.begin(), known.end(), name,
                       [](const HeaderInfo& info, std::string_view wanted) {
                         return less_nocase(info.name, wanted);
                       });
  return found != known.end() && equal_nocase(found->name, name) ? *found
                                                                 : unknown;
}

std::string_view Header::value() const {
  const std::size_t colon = text.find(':', name_length);
  if (colon == std::string::npos) return {};
  return trim(std::string_view(text).substr(colon + 1));
}

HeaderSplitter::Line HeaderSplitter::feed(std::string_view line,
                                          std::optional<Header>& completed) {
  completed.reset();
  if (current_ && !line.empty() && is_blank(line.front())) {
    append(line);
    return Line::header;
  }
  completed = std::exchange(current_, std::nullopt);
  if (line.empty()) return Line::separator;
  const std::size_t name_length = header_name_length(line, utf8_);
  if (name_length == 0) return Line::body;
  current_.emplace().name_length = std::min(name_length, size_limit_);
  append(line);
  return Line::header;
}

void HeaderSplitter::append(std::string_view line) {
  std::string& text = current_->text;
  const std::size_t line_end = text.empty() ? 0 : 1;
  if (text.size() + line_end >= size_limit_) {
    truncated_ = true;
    return;
  }
  if (line_end) text += '\n';
  const std::size_t room = size_limit_ - text.size();
  truncated_ = truncated_ || line.size() > room;
  text += line.substr(0, room);
}

std::optional<Header> HeaderSplitter::finish() {
  return std::exchange(current_, std::nullopt);
}

std::string encode_words(std::string_view text) {
  constexpr std::size_t max_word = 75;
  const bool utf8 = valid_utf8(text);
  const std::string start = utf8 ? "=?utf-8?Q?" : "=?iso-8859-1?Q?";
  std::string words;
  std::string word;
  while (!text.empty()) {
    std::string encoded;
    const std::size_t length = utf8 ? character_length(text) : 1;
    append_q(encoded, text.substr(0, length));
    text.remove_prefix(length);
    if (start.size() + word.size() + encoded.size() + 2 > max_word) {
      words += start + word + "?= ";
      word.clear();
    }
    word += encoded;
  }
  return words + start + word + "?=";
}

std::string from_header(std::string_view label, std::string_view name,
                        std::string_view address, FromFormat format,
                        bool utf8) {
  std::string line(label);
  line += ": ";
  // A name cannot bring header lines of its own.
  std::string words(trim(name));
  std::replace_if(
      words.begin(), words.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  const std::string mailbox = quote_local_822(address);
  if (words.empty()) return line + mailbox;
  const bool encode = !all_ascii(words) && !(utf8 && valid_utf8(words));
  if (format == FromFormat::obsolete)
    return line + mailbox + " " +
           (encode ? "(" + encode_words(words) + ")" : as_comment(words));
  if (encode)
    words = encode_words(words);
  else if (!is_plain_phrase(words))
    words = '"' + escaped(words, "\\\"") + '"';
  return line + words + " <" + mailbox + ">";
}

}  // namespace postern::mail
