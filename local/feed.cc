#include "local/feed.h"

#include <algorithm>
#include <utility>

#include "common/os/files.h"

namespace postern::local {
namespace {

constexpr std::int64_t piece_size = 256 * 1024;

}  // namespace

Feed::Feed(const Content& content, std::string headers, FeedRules rules)
    : content_(content),
      headers_(std::move(headers)),
      rules_(std::move(rules)) {}

// `text` may be cut anywhere.
std::string Feed::with_line_ends(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (const char c : text) {
    if (line_start_ && c == '.' && rules_.escape_dots) out += '.';
    line_start_ = c == '\n';
    if (line_start_)
      out += rules_.line_end;
    else
      out += c;
  }
  return out;
}

std::string Feed::finish() {
  ended_ = true;
  std::string rest;
  if (rules_.quote_from) quoter_.finish(rest);
  std::string out = with_line_ends(rest);
  if (!line_start_) out += rules_.line_end;
  if (rules_.blank_at_end) out += rules_.line_end;
  return out;
}

Result<std::string> Feed::next() {
  if (!began_) {
    began_ = true;
    // No dot of ours begins a line, and the From_ line is to be there.
    const bool escape = std::exchange(rules_.escape_dots, false);
    std::string out = with_line_ends(headers_);
    rules_.escape_dots = escape;
    if (!out.empty()) return out;
  }
  while (done_ < content_.size) {
    const std::int64_t want = std::min(piece_size, content_.size - done_);
    Result<std::string> piece =
        os::read_at(content_.fd, static_cast<std::size_t>(want),
                    content_.offset + done_, "error reading message");
    if (!piece) return piece.trouble();
    if (piece->empty())
      return try_later("3.0", "error reading message: it ends too early");
    done_ += static_cast<std::int64_t>(piece->size());
    std::string quoted;
    if (rules_.quote_from) quoter_.feed(*piece, quoted);
    std::string out = with_line_ends(rules_.quote_from ? quoted : *piece);
    if (!out.empty()) return out;
  }
  return ended_ ? std::string() : finish();
}

}  // namespace postern::local
