// What postdrop makes of a record stream: the envelope and the content of a
// submission (records.h is the form).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/mail/path.h"
#include "common/queue/envelope.h"
#include "tools/records.h"

namespace postern::tools {

// Reads a stream in order: head() once, then content() until it is empty. By
// then the envelope is complete.
class SubmissionReader {
 public:
  // `size_limit`: bytes of content; 0: no limit.
  SubmissionReader(RecordReader::Source source, std::int64_t size_limit)
      : records_(std::move(source)), size_limit_(size_limit) {}

  // The envelope up to the content. nullopt: the submission was called off
  // (the stream ended). Trouble (permanent) for a stream that is none.
  Result<std::optional<queue::Envelope>> head();
  // The next bytes, lines ended by LF; empty at the end, when what was found
  // in the header has been added to `envelope`. Trouble: as above, and detail
  // 3.4 for a message that is too big, 0.0 "called off".
  Result<std::string> content(queue::Envelope& envelope);

  bool called_off() const { return called_off_; }

 private:
  Status take(const Record& record, queue::Envelope& envelope);
  Status attribute(std::string_view text, queue::Envelope& envelope);
  Status tail(queue::Envelope& envelope);
  Result<std::optional<Record>> next();

  RecordReader records_;
  std::int64_t size_limit_;
  std::int64_t size_ = 0;
  queue::Recipient recipient_;  // what is known of the next one
  bool called_off_ = false;
  bool ended_ = false;
};

// The values of an attribute "trace_flags" (bits): a report of what would
// happen, or of what happened.
constexpr std::int64_t trace_verify = 256;
constexpr std::int64_t trace_record = 512;

// The value of "notify_flags": ipc::Notify bits.
std::int64_t notify_bits(const mail::Notify& notify);

}  // namespace postern::tools
