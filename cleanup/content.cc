#include "cleanup/content.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace postern::cleanup {

Task<Status> ContentPass::feed(std::string bytes) {
  // Line ends are LF here: a CR stands where none may (cleanup_replace_stray_
  // cr_lf), and another server could take it for a line end.
  if (settings_.replace_stray_cr)
    std::replace(bytes.begin(), bytes.end(), '\r', ' ');
  if (in_body_) co_return put(bytes);
  pending_ += bytes;
  std::size_t at = 0;
  while (!in_body_) {
    const std::size_t end = pending_.find('\n', at);
    if (end == std::string::npos) break;
    std::string line = pending_.substr(at, end - at);
    at = end + 1;
    if (std::exchange(skipping_, false)) continue;
    Status done = co_await header_line(std::move(line));
    if (!done) co_return std::move(done);
  }
  pending_.erase(0, at);
  if (!in_body_ &&
      (skipping_ || pending_.size() > settings_.header_size_limit)) {
    Status done = co_await long_line();
    if (!done) co_return std::move(done);
  }
  if (!in_body_) co_return Status();
  const std::string rest = std::exchange(pending_, std::string());
  co_return put(rest);
}

// A line that never ends: as a header it is cut at the limit, as body it goes
// on its way in pieces.
Task<Status> ContentPass::long_line() {
  Status done;
  if (!skipping_) {
    skipping_ = true;
    std::string line = std::exchange(pending_, std::string());
    done = co_await header_line(std::move(line));
    if (in_body_) skipping_ = false;
  }
  if (!in_body_) pending_.clear();
  co_return std::move(done);
}

Task<Status> ContentPass::header_line(std::string line) {
  std::optional<mail::Header> completed;
  const mail::HeaderSplitter::Line kind = splitter_.feed(line, completed);
  if (completed) {
    Result<std::string> out = co_await headers_.take(std::move(*completed));
    if (!out) co_return out.trouble();
    Status done = put(*out);
    if (!done) co_return std::move(done);
  }
  if (kind == mail::HeaderSplitter::Line::header) co_return Status();
  Status done = end_headers();
  if (done) done = put("\n");
  if (done && kind == mail::HeaderSplitter::Line::body) {
    line += skipping_ ? "" : "\n";
    done = put(line);
  }
  co_return std::move(done);
}

Status ContentPass::end_headers() {
  in_body_ = true;
  return put(headers_.missing(sender_));
}

Task<Status> ContentPass::finish() {
  if (in_body_) {
    if (last_ == '\n') co_return Status();
    co_return put("\n");
  }
  if (!pending_.empty()) {
    std::string line = std::exchange(pending_, std::string());
    Status done = co_await header_line(std::move(line));
    if (!done || in_body_) co_return std::move(done);
  }
  std::optional<mail::Header> last = splitter_.finish();
  if (last) {
    Result<std::string> out = co_await headers_.take(std::move(*last));
    if (!out) co_return out.trouble();
    Status done = put(*out);
    if (!done) co_return std::move(done);
  }
  co_return end_headers();
}

Status ContentPass::put(std::string_view bytes) {
  if (bytes.empty()) return {};
  last_ = bytes.back();
  size_ += static_cast<std::int64_t>(bytes.size()) +
           std::count(bytes.begin(), bytes.end(), '\n');
  if (settings_.message_size_limit > 0 &&
      size_ > settings_.message_size_limit) {
    log_.warning("{}: queue file size limit exceeded", draft_.id());
    // What tools that read Postfix's log find after it.
    log_.warning("mail_stream_cleanup: close error");
    return give_up("3.4", "Error: message file too big");
  }
  const Status done = draft_.append(bytes);
  if (done) return done;
  log_.warning("{}: {}", draft_.id(), done.trouble().text);
  if (done.trouble().detail == "3.1")
    return try_later("3.1", "Insufficient system storage");
  return try_later("3.0", "Error: queue file write error");
}

}  // namespace postern::cleanup
