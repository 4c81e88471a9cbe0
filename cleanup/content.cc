#include "cleanup/content.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace postern::cleanup {

// Does anything look into the body? What is not configured costs nothing.
void ContentPass::begin() {
  if (begun_) return;
  begun_ = true;
  const CheckTables& tables = settings_.checks;
  if (!tables.want_body() || !checks_.enabled()) return;
  mail::MimeReader::Limits limits;
  limits.header = settings_.header_size_limit;
  limits.boundary = tables.boundary;
  limits.line = tables.line;
  limits.nesting = tables.nesting;
  limits.by_line =
      !tables.body.empty() || tables.declared_bodies || tables.convert;
  limits.structure = !tables.ignore_mime;
  reader_.emplace(limits);
}

Task<Status> ContentPass::feed(std::string bytes) {
  begin();
  if (checks_.discarded()) co_return Status();
  // Line ends are LF here: a CR stands where none may (cleanup_replace_stray_
  // cr_lf), and another server could take it for a line end.
  if (settings_.replace_stray_cr)
    std::replace(bytes.begin(), bytes.end(), '\r', ' ');
  Status fine = checks_.screen(bytes);
  if (!fine) co_return std::move(fine);
  if (in_body_ && !reader_) co_return put(bytes);
  if (in_body_) {
    co_return co_await body(std::move(bytes));
  }
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
  std::string rest = std::exchange(pending_, std::string());
  co_return co_await body(std::move(rest));
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
  if (completed && !reader_) {
    Result<std::string> out = co_await headers_.take(std::move(*completed));
    if (!out) co_return out.trouble();
    Status done = put(*out);
    if (!done) co_return std::move(done);
  } else if (completed) {
    Status done = co_await check_header(std::move(*completed));
    if (!done) co_return std::move(done);
  }
  if (kind == mail::HeaderSplitter::Line::header) co_return Status();
  Status done = end_headers();
  if (done) done = put("\n");
  if (!done || kind != mail::HeaderSplitter::Line::body)
    co_return std::move(done);
  line += skipping_ ? "" : "\n";
  co_return co_await body(std::move(line));
}

Task<Status> ContentPass::check_header(mail::Header header) {
  if (checks_.discarded()) co_return Status();
  Status fine = checks_.header_bytes(header.text);
  if (!fine) co_return std::move(fine);
  reader_->primary(header);
  // end_headers says the new encoding.
  if (settings_.checks.convert && mail::declares_eight_bit(header))
    co_return Status();
  const mail::HeaderClass where = mail::primary_class(header);
  if (checks_.wants_header(where, header.text)) {
    std::string looked_at = header.text;
    Result<Outcome> outcome =
        co_await checks_.header(where, std::move(looked_at));
    if (!outcome) co_return outcome.trouble();
    if (outcome->dropped || checks_.discarded()) co_return Status();
    if (outcome->prepended) {
      Status done = put(*outcome->prepended + "\n");
      if (!done) co_return std::move(done);
    }
    if (outcome->replaced) {
      header.text = std::move(*outcome->replaced);
      header.name_length = mail::header_name_length(header.text);
    }
  }
  Result<std::string> out = co_await headers_.take(std::move(header));
  if (!out) co_return out.trouble();
  co_return put(*out);
}

Status ContentPass::end_headers() {
  in_body_ = true;
  const Status done = put(headers_.missing(sender_));
  if (!done || !reader_ || checks_.discarded()) return done;
  return section_end(reader_->begin_body());
}

Task<Status> ContentPass::finish() {
  begin();
  if (checks_.discarded()) co_return Status();
  if (!in_body_) {
    std::string line = std::exchange(pending_, std::string());
    if (!line.empty()) {
      Status done = co_await header_line(std::move(line));
      if (!done) co_return std::move(done);
    }
  }
  if (!in_body_) {
    std::optional<mail::Header> last = splitter_.finish();
    if (last && !reader_) {
      Result<std::string> out = co_await headers_.take(std::move(*last));
      if (!out) co_return out.trouble();
      Status done = put(*out);
      if (!done) co_return std::move(done);
    } else if (last) {
      Status done = co_await check_header(std::move(*last));
      if (!done) co_return std::move(done);
    }
    co_return end_headers();
  }
  if (reader_) {
    reader_->finish();
    Status done = co_await read_items();
    if (!done) co_return std::move(done);
    std::string held;
    encoder_.finish(held);
    done = put(held);
    if (!done) co_return std::move(done);
  }
  if (last_ == '\n') co_return Status();
  co_return put("\n");
}

// --- the body, where it is looked at ---

Task<Status> ContentPass::body(std::string bytes) {
  if (!reader_) co_return put(bytes);
  reader_->feed(bytes);
  co_return co_await read_items();
}

Task<Status> ContentPass::read_items() {
  while (!checks_.discarded()) {
    std::optional<Item> item = reader_->next();
    if (!item) break;
    Status done;
    if (item->kind == Item::Kind::header) {
      done = co_await part_header(std::move(*item));
    } else if (item->kind == Item::Kind::text) {
      done = co_await text(std::move(*item));
    } else {
      done = section_end(*item);
    }
    if (!done) co_return std::move(done);
  }
  co_return Status();
}

Task<Status> ContentPass::part_header(Item item) {
  mail::Header header = std::move(item.header);
  Status fine = checks_.header_bytes(header.text);
  if (!fine) co_return std::move(fine);
  if (settings_.checks.convert && mail::declares_eight_bit(header))
    co_return Status();
  if (!checks_.wants_header(item.header_class, header.text))
    co_return put(header.text + "\n");
  std::string looked_at = header.text;
  Result<Outcome> outcome =
      co_await checks_.header(item.header_class, std::move(looked_at));
  if (!outcome) co_return outcome.trouble();
  co_return put_outcome(*outcome, header.text, "\n");
}

Status ContentPass::section_end(const Item& item) {
  const Status fine = checks_.structure(item);
  if (!fine) return fine;
  std::string out;
  if (settings_.checks.convert &&
      item.domain != mail::EncodingDomain::seven_bit) {
    converted_ = true;
    out = "Content-Transfer-Encoding: ";
    out += item.composite ? "7bit\n" : "quoted-printable\n";
  }
  return put(out + item.bytes);
}

Task<Status> ContentPass::text(Item item) {
  Status fine = checks_.text_bytes(item);
  if (!fine) co_return std::move(fine);
  std::string bytes = std::move(item.bytes);
  if (settings_.checks.convert &&
      item.domain != mail::EncodingDomain::seven_bit) {
    std::string encoded;
    encoder_.encode(bytes, encoded);
    bytes = std::move(encoded);
  }
  if (!checks_.active() || settings_.checks.body.empty())
    co_return put(bytes);
  co_return co_await check_lines(std::move(bytes), item.offset);
}

// One line, or what a line became when it was encoded.
Task<Status> ContentPass::check_lines(std::string text, std::int64_t offset) {
  for (std::size_t at = 0; at < text.size() && !checks_.discarded();) {
    const std::size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    const std::string_view line_end =
        end == std::string::npos ? std::string_view() : "\n";
    at += line.size() + line_end.size();
    Status done;
    if (checks_.wants_line(line, offset)) {
      std::string looked_at = line;
      Result<Outcome> outcome = co_await checks_.line(std::move(looked_at));
      if (!outcome) co_return outcome.trouble();
      done = put_outcome(*outcome, line, line_end);
    } else {
      done = put(line.append(line_end));
    }
    if (!done) co_return std::move(done);
  }
  co_return Status();
}

Status ContentPass::put_outcome(const Outcome& outcome, std::string_view line,
                                std::string_view line_end) {
  std::string out;
  if (outcome.prepended) out = *outcome.prepended + "\n";
  if (!outcome.dropped) {
    out += outcome.replaced ? std::string_view(*outcome.replaced) : line;
    out += line_end;
  }
  return put(out);
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
