#include "local/content_copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/os/files.h"

namespace postern::local {
namespace {

constexpr std::string_view separator = "From ";
constexpr std::int64_t piece_size = 256 * 1024;

}  // namespace

void FromQuoter::feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (line_start_) {
      // Take characters as long as they may become the separator.
      const char c = piece.front();
      if (c == separator[held_.size()]) {
        held_ += c;
        piece.remove_prefix(1);
        if (held_.size() < separator.size()) continue;
        out += '>';
      }
      out += held_;
      held_.clear();
      line_start_ = false;
      continue;
    }
    const std::size_t end = piece.find('\n');
    const std::size_t taken =
        end == std::string_view::npos ? piece.size() : end + 1;
    out += piece.substr(0, taken);
    piece.remove_prefix(taken);
    line_start_ = end != std::string_view::npos;
  }
}

void FromQuoter::finish(std::string& out) {
  const bool unfinished = !line_start_ || !held_.empty();
  out += held_;
  held_.clear();
  if (unfinished) out += '\n';
  line_start_ = true;
}

Trouble write_trouble(const std::string& what, int error) {
  std::string text = what + ": " + os::error_text(error);
  if (error == EFBIG || error == EDQUOT) return give_up("2.2", std::move(text));
  if (error == ENOSPC) return try_later("3.1", std::move(text));
  if (error == EIO) return try_later("3.0", std::move(text));
  return try_later("2.0", std::move(text));
}

Status Output::write(std::string_view bytes) {
  const std::string what = "error writing message";
  size_ += static_cast<std::int64_t>(bytes.size());
  if (limit_ > 0 && size_ > limit_) return write_trouble(what, EFBIG);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return write_trouble(what, n < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status copy_content(const Content& content, bool quote_from, Output& out) {
  FromQuoter quoter;
  std::string quoted;
  char last = '\n';
  for (std::int64_t done = 0; done < content.size;) {
    const std::int64_t want = std::min(piece_size, content.size - done);
    const Result<std::string> piece =
        os::read_at(content.fd, static_cast<std::size_t>(want),
                    content.offset + done, "error reading message");
    if (!piece) return piece.trouble();
    // A queue file that is shorter than its envelope says is damaged: better
    // no mail in the box than half a mail.
    if (piece->empty())
      return try_later("3.0", "error reading message: it ends too early");
    done += static_cast<std::int64_t>(piece->size());
    last = piece->back();
    quoted.clear();
    if (quote_from) quoter.feed(*piece, quoted);
    if (Status written = out.write(quote_from ? quoted : *piece); !written)
      return written;
  }
  quoted.clear();
  if (quote_from)
    quoter.finish(quoted);
  else if (last != '\n')
    quoted = "\n";
  return out.write(quoted);
}

}  // namespace postern::local
