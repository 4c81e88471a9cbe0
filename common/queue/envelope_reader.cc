#include "common/queue/envelope_reader.h"

#include <algorithm>

#include "common/os/files.h"
#include "common/queue/crc32c.h"
#include "common/queue/envelope_lines.h"

namespace postern::queue {
namespace {

constexpr std::int64_t piece = 65536;

}  // namespace

EnvelopeReader::EnvelopeReader(int fd, const Layout& layout)
    : fd_(fd),
      section_(layout.envelope_offset),
      unread_(layout.envelope_size) {}

EnvelopeReader::EnvelopeReader(std::string bytes)
    : buffer_(std::move(bytes)) {}

void EnvelopeReader::go_to(const Place& place) {
  place_ = place;
  const std::int64_t end =
      buffer_begin_ + static_cast<std::int64_t>(buffer_.size()) + unread_;
  if (fd_ < 0) {
    at_ = static_cast<std::size_t>(
        std::clamp<std::int64_t>(place.offset, 0, end));
    return;
  }
  buffer_.clear();
  at_ = 0;
  buffer_begin_ = std::clamp<std::int64_t>(place.offset, 0, end);
  unread_ = end - buffer_begin_;
}

bool EnvelopeReader::refill() {
  if (fd_ < 0 || unread_ <= 0) return false;
  buffer_begin_ += static_cast<std::int64_t>(at_);
  buffer_.erase(0, at_);
  at_ = 0;
  const std::int64_t from =
      section_ + buffer_begin_ + static_cast<std::int64_t>(buffer_.size());
  const Result<std::string> bytes =
      os::read_at(fd_, static_cast<std::size_t>(std::min(unread_, piece)),
                  from, "a queue file");
  if (!bytes || bytes->empty()) return false;
  buffer_ += *bytes;
  unread_ -= static_cast<std::int64_t>(bytes->size());
  return true;
}

bool EnvelopeReader::line(std::string_view& out) {
  for (;;) {
    const std::size_t end = buffer_.find('\n', at_);
    if (end != std::string::npos) {
      out = std::string_view(buffer_).substr(at_, end - at_);
      return true;
    }
    if (!refill()) return false;
  }
}

std::optional<Recipient> EnvelopeReader::next() {
  Recipient recipient;
  std::string_view text;
  while (!ended_ && !broken_) {
    if (!line(text)) {
      broken_ = true;
      break;
    }
    const std::size_t begin = at_;
    const std::int64_t offset =
        buffer_begin_ + static_cast<std::int64_t>(begin);
    const EnvelopeLine kind = take_line(text, head_, recipient);
    at_ += text.size() + 1;
    if (kind == EnvelopeLine::recipient) buffer_[begin + 1] = mark_pending;
    crc_ = crc32c(crc_, std::string_view(buffer_).substr(begin, at_ - begin));
    switch (kind) {
      case EnvelopeLine::of_message:
        place_.offset = buffer_begin_ + static_cast<std::int64_t>(at_);
        break;
      case EnvelopeLine::of_recipient: break;
      case EnvelopeLine::recipient:
        recipient.mark = offset + 1;
        place_.offset = buffer_begin_ + static_cast<std::int64_t>(at_);
        ++place_.index;
        return recipient;
      case EnvelopeLine::end:
        ended_ = true;
        broken_ = unread_ > 0 || at_ != buffer_.size();
        break;
      case EnvelopeLine::damaged: broken_ = true; break;
    }
  }
  return std::nullopt;
}

std::optional<Enveloped> read_envelope(EnvelopeReader reader,
                                       std::optional<std::uint32_t> crc,
                                       std::size_t most) {
  Enveloped out;
  std::vector<Recipient> first;
  while (std::optional<Recipient> recipient = reader.next()) {
    ++out.recipients;
    if (!recipient->done) ++out.pending;
    if (first.size() >= most) continue;
    first.push_back(std::move(*recipient));
    out.rest = reader.place();
  }
  if (reader.broken() || (crc && reader.crc() != *crc)) return std::nullopt;
  out.envelope = std::move(reader.head());
  out.envelope.recipients = std::move(first);
  return out;
}

}  // namespace postern::queue
