// A message on its way into the queue: smtpd (or a tool's submission inside
// cleanup) to cleanup, over a link of its own per message in flight.
//
//   begin ->            <- begun (the queue id)
//   recipient, content, in any order, any number
//   end ->              <- verdict (on disk and synced, or trouble)
//
// After a verdict the link is ready for another begin. Closing the link, or
// abort, before the end discards the message.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/ipc/wire.h"

namespace postern::ipc {

// What is to be done with a message beyond the ordinary; bits of
// MessageBegin::flags. Those of receive_override_options first.
enum CleanupFlag : std::int64_t {
  no_header_body_checks = 1,
  no_address_mappings = 2,
  no_milters = 4,
  no_unknown_recipient_checks = 8,
  hold_message = 16,          // goes to hold
  internal_notice = 32,       // our own DSN: no mappings beyond canonical
  smtputf8_requested = 64,
  discard_message = 128,      // accepted, then dropped (access DISCARD)
  report_deliveries = 256,    // sendmail -v: a report of the first attempt
  verify_only = 512,          // sendmail -bv: a report, no delivery
};

// Is there room for another message? Asked at MAIL, before there is a file.
struct RoomAnswer {
  bool room = true;
  std::int64_t free_bytes = 0;  // of the queue's file system
  std::string why;              // where there is none
  static constexpr auto wire() {
    return message("room.answer", field("room", &RoomAnswer::room),
                   field("free_bytes", &RoomAnswer::free_bytes),
                   field("why", &RoomAnswer::why));
  }
};
struct RoomFind {
  using Answer = RoomAnswer;
  static constexpr bool repeatable = true;
  std::int64_t size_hint = 0;  // bytes the client announced, 0 if none
  static constexpr auto wire() {
    return message("room.find", field("size_hint", &RoomFind::size_hint));
  }
};

struct MessageBegun {
  std::string queue_id;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("message.begun", field("queue_id", &MessageBegun::queue_id),
                   field("trouble", &MessageBegun::trouble));
  }
};

struct MessageBegin {
  using Answer = MessageBegun;
  std::int64_t arrival = 0;   // microseconds since 1970
  std::string sender;         // internal form, not yet rewritten
  std::int64_t flags = 0;     // CleanupFlag
  std::string context;        // "local" or "remote": address rewriting
  std::string body;           // "", "7BIT", "8BITMIME"
  std::string envid;          // RFC 3461 ENVID, decoded
  std::string ret;            // "", "FULL", "HDRS"
  std::string filter;         // content_filter destination, or empty
  std::int64_t size_hint = 0; // bytes the client announced, 0 if none
  // client_name, client_address, client_port, protocol_name, helo_name,
  // sasl_method, sasl_username, sasl_sender, log_client_…: queue file
  // attributes of the same names as in Postfix.
  std::vector<std::pair<std::string, std::string>> attributes;
  static constexpr auto wire() {
    return message(
        "message.begin", field("arrival", &MessageBegin::arrival),
        field("sender", &MessageBegin::sender),
        field("flags", &MessageBegin::flags),
        field("context", &MessageBegin::context),
        field("body", &MessageBegin::body),
        field("envid", &MessageBegin::envid), field("ret", &MessageBegin::ret),
        field("filter", &MessageBegin::filter),
        field("size_hint", &MessageBegin::size_hint),
        field("attributes", &MessageBegin::attributes));
  }
};

// NOTIFY bits (RFC 3461 4.1); 0: not given.
enum Notify : std::int64_t {
  notify_never = 1,
  notify_success = 2,
  notify_failure = 4,
  notify_delay = 8,
};

struct MessageRecipient {
  std::string address;   // internal form, not yet rewritten
  std::string original;  // as the client gave it (external form), for DSN
  std::string orcpt;     // "rfc822;user@example.com", or empty
  std::int64_t notify = 0;
  static constexpr auto wire() {
    return message("message.recipient",
                   field("address", &MessageRecipient::address),
                   field("original", &MessageRecipient::original),
                   field("orcpt", &MessageRecipient::orcpt),
                   field("notify", &MessageRecipient::notify));
  }
};

// The next bytes of the message: header and body, lines end in LF, cut
// anywhere. The Received header of this hop is at its start already.
struct MessageContent {
  std::string bytes;
  static constexpr auto wire() {
    return message("message.content", field("bytes", &MessageContent::bytes));
  }
};

// Flags that become known late (HOLD at end-of-data …), added to begin's.
struct MessageMark {
  std::int64_t flags = 0;
  std::string filter;  // replaces, when not empty
  std::string redirect;
  static constexpr auto wire() {
    return message("message.mark", field("flags", &MessageMark::flags),
                   field("filter", &MessageMark::filter),
                   field("redirect", &MessageMark::redirect));
  }
};

struct MessageVerdict {
  std::string queue_id;
  std::int64_t size = 0;  // of the content, bytes
  TroubleWire trouble;    // none: it is on stable storage
  static constexpr auto wire() {
    return message("message.verdict",
                   field("queue_id", &MessageVerdict::queue_id),
                   field("size", &MessageVerdict::size),
                   field("trouble", &MessageVerdict::trouble));
  }
};

struct MessageEnd {
  using Answer = MessageVerdict;
  // The line that a message without content ends with, or empty.
  std::int64_t bytes = 0;  // content bytes sent, as a check
  static constexpr auto wire() {
    return message("message.end", field("bytes", &MessageEnd::bytes));
  }
};

struct MessageAbort {
  std::string reason;
  static constexpr auto wire() {
    return message("message.abort", field("reason", &MessageAbort::reason));
  }
};

}  // namespace postern::ipc
