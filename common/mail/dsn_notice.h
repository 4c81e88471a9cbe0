// Composing delivery status notifications: multipart/report (RFC 6522) with a
// text for people, a delivery-status part (RFC 3464, RFC 6533 for addresses
// beyond ASCII) and the message or its headers. Texts: bounce_template.h.
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/bounce_template.h"

namespace postern::mail {

// One recipient's outcome.
struct NoticeRecipient {
  std::string address;   // internal form
  std::string original;  // as it was before aliases, internal form; "" if same
  std::string orcpt;     // decoded ORCPT, "rfc822;a@b"; "" for none
  std::string action;    // failed, delayed, delivered, relayed, expanded, ...
  std::string status;    // "5.1.1"
  std::string reason;    // for people: "host x said: 550 5.1.1 no"
  std::string diagnostic_type;  // "smtp"; "" when the reason is our own
  std::string diagnostic;       // "550 5.1.1 no"
  std::string remote_mta;       // host name; "" for none
  std::time_t retry_until = 0;  // of delayed ones; 0: not told
};

// Everything there is to say. Strings come from the envelope and from remote
// servers; line ends in them become blanks.
struct Notice {
  NoticeKind kind = NoticeKind::failure;
  bool postmaster_copy = false;  // other subject, no text for people
  std::string recipient;         // of the notice itself, internal form

  std::string received;    // Received header of the notice, "" for none
  std::string message_id;  // of the notice, with its brackets
  std::time_t date = 0;
  // Threading (enable_threaded_bounces): ids of the original, "" for none.
  std::string references;
  std::string in_reply_to;

  std::string hostname;               // myhostname, the reporting MTA
  std::string origin;                 // completes addresses without domain
  std::string mail_name = "Postfix";  // in the X-...-Queue-ID fields
  std::string boundary;               // see notice_boundary

  // The original message.
  std::string queue_id;
  std::string sender;       // internal form, "" for the null sender
  std::string envelope_id;  // decoded ENVID
  std::time_t arrival = 0;
  bool smtputf8 = false;      // the report may hold UTF-8 addresses
  bool full_message = false;  // attach all of it, not only its headers

  std::vector<NoticeRecipient> recipients;
};

// "QUEUEID.SECONDS/hostname": cannot occur in the message, whose lines were
// written before the notice was.
std::string notice_boundary(std::string_view queue_id, std::time_t when,
                            std::string_view hostname);

// The original's lines one by one, without line ends; nullopt at its end.
using LineReader = std::function<std::optional<std::string>()>;
// Takes the notice's lines one by one, without line ends.
using LineWriter = std::function<void(std::string_view line)>;

// `text` is the expanded template. `original` begins with the first header
// (no Return-Path: that is added).
void compose_notice(const Notice& notice, const BounceTemplate& from,
                    std::string_view text, const LineReader& original,
                    const LineWriter& write);

// Breaks a text at blanks so that lines have at most `width` bytes where
// possible; the second and further lines begin with `indent` blanks.
std::vector<std::string> wrap_text(std::string_view text,
                                   std::size_t width = 79,
                                   std::size_t indent = 4);

}  // namespace postern::mail
