// What becomes of the headers of a message that is taken in: addresses
// completed and mapped, some dropped, missing ones added (RFC 5322 section 3.6,
// RFC 6409 section 8, cleanup(8)).
// Next: content.h, which finds the headers in the stream.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "cleanup/address_book.h"
#include "cleanup/mapping.h"
#include "cleanup/settings.h"
#include "common/base/result.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/mail/header.h"

namespace postern::cleanup {

// What is known of a message beside its text.
struct Origin {
  std::string queue_id;
  // How header addresses are completed; nullopt: headers stay as they are.
  std::optional<route::Context> context;
  bool map_addresses = true;
  std::string full_name;  // of the local submitter
  std::int64_t arrival = 0;  // microseconds since 1970
};

// "local", or "remote" where remote_header_rewrite_domain is set.
std::optional<route::Context> header_context(const Settings& settings,
                                             const std::string& context);

class HeaderPass {
 public:
  HeaderPass(const Settings& settings, AddressBook& book, Mapper& mapper,
             const log::Log& log, Origin origin)
      : settings_(settings),
        book_(book),
        mapper_(mapper),
        log_(log),
        origin_(std::move(origin)) {}

  // The header as it is written, its line end included; empty when it is
  // dropped. Trouble: the message is refused.
  Task<Result<std::string>> take(mail::Header header);

  // What Content-Transfer-Encoding says of the body: "7BIT", "8BITMIME"; empty:
  // nothing (detect_8bit_encoding_header).
  const std::string& body_type() const { return body_type_; }

  // Did any header hold more than ASCII?
  bool beyond_ascii() const { return beyond_ascii_; }

  // The headers that are missing, after the last one was taken. Logs the
  // message id when none has been.
  std::string missing(const std::string& sender);

 private:
  using Addresses = std::map<std::string, std::string>;
  bool seen(mail::HeaderId plain, mail::HeaderId resent) const;
  bool dropped(const mail::Header& header) const;
  Task<Result<Addresses>> map_addresses(std::string value, Place place);

  const Settings& settings_;
  AddressBook& book_;
  Mapper& mapper_;
  const log::Log& log_;
  Origin origin_;
  std::set<mail::HeaderId> seen_;
  std::string body_type_;
  bool resent_ = false;
  bool beyond_ascii_ = false;
  std::int64_t hops_ = 0;
};

}  // namespace postern::cleanup
