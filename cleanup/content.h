// The content of a message as it streams by: the header section goes through
// HeaderPass, the body straight into the queue file, or past the content checks
// where there are any. Memory stays bounded by one header and one piece of
// content, whatever the size of the message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cleanup/checks.h"
#include "cleanup/headers.h"
#include "cleanup/settings.h"
#include "common/base/result.h"
#include "common/loop/task.h"
#include "common/mail/header.h"
#include "common/mail/mime.h"
#include "common/mail/quoted_printable.h"
#include "common/queue/spool.h"

namespace postern::cleanup {

class ContentPass {
 public:
  // `sender` is the rewritten sender; it and all others must outlive this.
  ContentPass(const Settings& settings, const log::Log& log,
              HeaderPass& headers, ContentChecks& checks, queue::Draft& draft,
              const std::string& sender)
      : settings_(settings),
        log_(log),
        headers_(headers),
        checks_(checks),
        draft_(draft),
        sender_(sender),
        splitter_(settings.header_size_limit) {}

  // The next bytes, cut anywhere; lines end in LF. Trouble: the message is
  // refused, nothing more may be fed.
  Task<Status> feed(std::string bytes);
  // The content is complete.
  Task<Status> finish();

  // Was 8-bit text made 7-bit (force_mime_input_conversion)?
  bool converted() const { return converted_; }

 private:
  using Item = mail::MimeReader::Item;
  using Outcome = ContentChecks::Outcome;

  void begin();
  // Where the body is looked at, headers are too.
  Task<Status> check_header(mail::Header header);
  Task<Status> body(std::string bytes);
  Task<Status> read_items();
  Task<Status> part_header(Item item);
  Status section_end(const Item& item);
  Task<Status> text(Item item);
  Task<Status> check_lines(std::string text, std::int64_t offset);
  Status put_outcome(const Outcome& outcome, std::string_view line,
                     std::string_view line_end);
  Task<Status> header_line(std::string line);
  Task<Status> long_line();
  Status end_headers();
  Status put(std::string_view bytes);

  const Settings& settings_;
  const log::Log& log_;
  HeaderPass& headers_;
  ContentChecks& checks_;
  queue::Draft& draft_;
  const std::string& sender_;
  mail::HeaderSplitter splitter_;
  bool begun_ = false;
  bool converted_ = false;
  std::optional<mail::MimeReader> reader_;  // where anything is looked at
  mail::QuotedPrintable encoder_;
  bool in_body_ = false;
  bool skipping_ = false;  // the rest of a header line that is too long
  char last_ = '\n';
  std::string pending_;    // an unfinished line of the header section
  std::int64_t size_ = 0;  // with CR LF for each line end, as SMTP counts
};

}  // namespace postern::cleanup
