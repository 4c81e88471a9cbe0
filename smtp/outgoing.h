// What is changed in a message on its way out: addresses in headers
// (smtp_generic_maps), headers and lines by rules (smtp_header_checks and its
// kin), 8-bit text for a server that takes none (RFC 6152 section 3). The
// queue file stays as it is.
// Next: generic.h, common/mail/mime.h, content.h (line ends and dots).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/mail/check_action.h"
#include "common/mail/header.h"
#include "common/mail/mime.h"
#include "common/mail/quoted_printable.h"
#include "smtp/generic.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

class Outgoing {
 public:
  // All are borrowed. `convert`: the server takes no 8-bit text.
  Outgoing(const Settings& settings, Resolver& resolver, const log::Log& log,
           GenericMap& generic, const std::string& queue_id, bool convert);

  // Is there anything to change, by the parameters? Otherwise the message goes
  // as it is, and this is of no use.
  static bool wanted(const Settings& settings, bool convert) {
    return convert || !settings.generic.maps.empty() || settings.checks.any();
  }

  // Appends to `out` what becomes of the next piece, cut anywhere; lines end
  // in LF. `out` lives until the task is done. Trouble: a table did not
  // answer.
  Task<Status> feed(std::string piece, std::string* out);
  Task<Status> finish(std::string* out);

 private:
  using Item = mail::MimeReader::Item;

  Task<Status> header_line(std::string line, std::string* out);
  Task<Status> take_header(mail::Header header, std::string* out);
  void end_headers(std::string* out);
  Task<Status> body(std::string bytes, std::string* out);
  Task<Status> read_items(std::string* out);
  Task<Status> part_header(Item item, std::string* out);
  void section_end(const Item& item, std::string* out);
  Task<Status> text(Item item, std::string* out);

  // The rule for a header or line; nullopt: none.
  Task<Result<std::optional<mail::Check>>> check(const CheckMap* map,
                                                 bool header,
                                                 std::string text);
  const CheckMap& map_of(mail::HeaderClass where) const;
  // Carries a rule out. False: the line is dropped.
  bool apply(const mail::Check& check, std::string& text, std::string* out);

  const Settings& settings_;
  Resolver& resolver_;
  const log::Log& log_;
  GenericMap& generic_;
  const std::string& queue_id_;
  bool convert_;
  mail::HeaderSplitter splitter_;
  mail::MimeReader reader_;
  bool read_body_;  // the body is of interest
  bool in_body_ = false;
  bool skipping_ = false;  // the rest of a header line that is too long
  std::string pending_;    // an unfinished line of the header section
  mail::QuotedPrintable encoder_;
};

}  // namespace postern::smtp
