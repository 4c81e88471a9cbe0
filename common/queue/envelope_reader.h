// An envelope section, a piece at a time: a message may have more recipients
// than memory should hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/queue/envelope.h"

namespace postern::queue {

// Where reading goes on.
struct Place {
  std::int64_t offset = 0;  // in the envelope section: of a recipient's lines
  std::int64_t index = 0;   // of that recipient
};

class EnvelopeReader {
 public:
  // From an open queue file, which outlives the reader.
  EnvelopeReader(int fd, const Layout& layout);
  // The section's bytes.
  explicit EnvelopeReader(std::string bytes);

  // Goes to a place that place() told.
  void go_to(const Place& place);

  // The next recipient, done ones too. nullopt: that was the last one, or
  // broken() says why not.
  std::optional<Recipient> next();

  // Where next() will read on; the end of the recipients after the last one.
  const Place& place() const { return place_; }
  // What lines before the recipients say; complete once next() was called.
  const Envelope& head() const { return head_; }
  Envelope& head() { return head_; }
  bool ended() const { return ended_; }
  bool broken() const { return broken_; }
  // Of all that was read since the beginning, with every mark pending.
  std::uint32_t crc() const { return crc_; }

 private:
  // False: there is no further line.
  bool line(std::string_view& out);
  bool refill();

  int fd_ = -1;
  std::int64_t section_ = 0;  // file offset of the section
  std::int64_t unread_ = 0;   // bytes of the section beyond the buffer
  std::string buffer_;
  std::size_t at_ = 0;             // in the buffer
  std::int64_t buffer_begin_ = 0;  // offset in the section
  Place place_;
  Envelope head_;
  std::uint32_t crc_ = 0;
  bool ended_ = false;
  bool broken_ = false;
};

// The whole section, of whose recipients the first ones are kept.
struct Enveloped {
  Envelope envelope;            // with the first recipients
  std::int64_t recipients = 0;  // all of them, done or not
  std::int64_t pending = 0;     // those that are not done
  Place rest;                   // where those begin that were not kept
};
// nullopt: damaged, or not what `crc` was made of.
std::optional<Enveloped> read_envelope(EnvelopeReader reader,
                                       std::optional<std::uint32_t> crc,
                                       std::size_t most);

}  // namespace postern::queue
