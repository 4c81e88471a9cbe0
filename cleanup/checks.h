// Content checks while a message comes in: header_checks(5) and its kin, and
// what else refuses a message for its content. Each line is given to the table
// of its place; what the rule says happens to the line, or to the message.
// Next: common/mail/check_action.h (the rules), content.h (who asks).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cleanup/address_book.h"
#include "cleanup/envelope.h"
#include "cleanup/settings.h"
#include "common/base/result.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/mail/check_action.h"
#include "common/mail/mime.h"

namespace postern::cleanup {

class ContentChecks {
 public:
  // All must outlive this. What a rule says of the whole message goes to
  // `envelope`.
  ContentChecks(const Settings& settings, AddressBook& book,
                const log::Log& log, EnvelopeBuilder& envelope,
                std::string queue_id)
      : settings_(settings),
        book_(book),
        log_(log),
        envelope_(envelope),
        queue_id_(std::move(queue_id)) {}

  // Is this message to be looked at (receive_override_options)?
  bool enabled() const {
    return !envelope_.has(ipc::no_header_body_checks);
  }
  // Is there any table to ask, and no PASS before?
  bool active() const {
    return settings_.checks.any() && !passed_ && enabled();
  }
  // A rule has said DISCARD: the rest of the message is of no interest.
  bool discarded() const { return discarded_; }

  // What becomes of one header or line.
  struct Outcome {
    std::optional<std::string> prepended;  // goes before it
    std::optional<std::string> replaced;   // stands in its place
    bool dropped = false;
  };
  // False: no rule has anything to say, without a wait.
  bool wants_header(mail::HeaderClass where, const std::string& text) const;
  bool wants_line(const std::string& line, std::int64_t offset) const;
  // Trouble: the message is refused.
  Task<Result<Outcome>> header(mail::HeaderClass where, std::string text);
  Task<Result<Outcome>> line(std::string text);

  // message_reject_characters and message_strip_characters, on bytes cut
  // anywhere.
  Status screen(std::string& bytes) const;
  // strict_7bit_headers, strict_8bitmime_body.
  Status header_bytes(const std::string& text) const;
  Status text_bytes(const mail::MimeReader::Item& item) const;
  // mime_nesting_limit, strict_mime_encoding_domain.
  Status structure(const mail::MimeReader::Item& section_end) const;

 private:
  const std::string& maps_of(mail::HeaderClass where) const;
  Task<Result<Outcome>> ask(std::string maps, std::string table, bool header,
                            std::string text);
  Result<Outcome> apply(const mail::Check& check, const std::string& kind,
                        const std::string& text);
  void log(std::string_view word, const std::string& what,
           std::string_view content, std::string_view detail) const;
  Status refuse(std::string_view why, std::string_view content) const;

  const Settings& settings_;
  AddressBook& book_;
  const log::Log& log_;
  EnvelopeBuilder& envelope_;
  std::string queue_id_;
  bool passed_ = false;
  bool discarded_ = false;
};

}  // namespace postern::cleanup
