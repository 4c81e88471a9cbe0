// The stream of records in which sendmail gives a message to postdrop, and
// which other programs have learned to write: one byte of type, the length in
// groups of seven bits (lowest first, the top bit says that more follow), the
// data.
//
// Three parts: envelope up to `message`, content up to `extracted`, recipients
// that were found in the header up to `end`. See submission.h.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::tools {

enum Rec : char {
  rec_time = 'T',
  rec_full_name = 'F',
  rec_inspector = 'I',  // content inspector; content filters were named so
  rec_sender = 'S',
  rec_attribute = 'A',  // name=value
  rec_recipient = 'R',
  rec_verp = 'V',       // delimiters of a variable return path
  rec_message = 'M',    // the envelope ends, the content begins
  rec_line = 'N',       // a line of content, without its end
  rec_partial = 'L',    // a piece of a line
  rec_extracted = 'X',  // the content ends
  rec_end = 'E',
};

struct Record {
  char type = 0;
  std::string data;
};

void put_record(std::string& out, char type, std::string_view data);

class RecordReader {
 public:
  // More bytes of the stream, empty at its end.
  using Source = std::function<Result<std::string>()>;
  explicit RecordReader(Source source) : source_(std::move(source)) {}

  // nullopt: the stream ended between records. Trouble (permanent): it ended
  // within one, or one is too long; or what the source met.
  Result<std::optional<Record>> next();

 private:
  // At least `size` unread bytes; fewer at the end of the stream.
  Status need(std::size_t size);
  std::size_t unread() const { return buffer_.size() - at_; }

  Source source_;
  std::string buffer_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace postern::tools
