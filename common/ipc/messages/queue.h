// cleanup and qmgr: a new message, and the notices about old ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"

namespace postern::ipc {

// How one recipient is to be reached (resolved by common/route).
struct RouteWire {
  std::string transport;  // row name: "smtp", "local", "error", …
  std::string nexthop;
  std::string address;    // the recipient as that transport wants it
  static constexpr auto wire() {
    return message("route", field("transport", &RouteWire::transport),
                   field("nexthop", &RouteWire::nexthop),
                   field("address", &RouteWire::address));
  }
};

// cleanup to qmgr: this file is in `incoming`, complete and synced. Only a
// short cut: without it qmgr finds the file by scanning.
struct MessageAdmit {
  std::string queue_id;
  std::string layout;    // the preamble's bytes (queue::Layout)
  std::string envelope;  // the envelope section's bytes
  std::vector<RouteWire> routes;  // one per recipient, in order
  static constexpr auto wire() {
    return message("queue.admit", field("queue_id", &MessageAdmit::queue_id),
                   field("layout", &MessageAdmit::layout),
                   field("envelope", &MessageAdmit::envelope),
                   field("routes", &MessageAdmit::routes));
  }
};

// smtpd to qmgr (service `flush`): ETRN (RFC 1985). Deliver now what waits for
// a site of fast_flush_domains; `site` is a domain or "[address]".
struct FlushAnswer {
  std::string status;  // "ok", "deny" (not such a site), "bad" (no such name)
  static constexpr auto wire() {
    return message("flush.answer", field("status", &FlushAnswer::status));
  }
};
struct FlushRequest {
  using Answer = FlushAnswer;
  std::string site;
  static constexpr auto wire() {
    return message("flush.request", field("site", &FlushRequest::site));
  }
};

// What became of one recipient, for a notice (RFC 3464 2.3).
struct NoticeRecipient {
  std::string address;
  std::string original;
  std::string orcpt;
  std::int64_t notify = 0;
  std::string action;  // failed, delayed, delivered, relayed, expanded
  std::string status;  // 5.1.1
  std::string text;    // for people
  std::string diagnostic_type;  // smtp, x-unix, x-postern
  std::string diagnostic;
  std::string remote_mta;       // host name, or empty
  static constexpr auto wire() {
    return message("notice.recipient",
                   field("address", &NoticeRecipient::address),
                   field("original", &NoticeRecipient::original),
                   field("orcpt", &NoticeRecipient::orcpt),
                   field("notify", &NoticeRecipient::notify),
                   field("action", &NoticeRecipient::action),
                   field("status", &NoticeRecipient::status),
                   field("text", &NoticeRecipient::text),
                   field("diagnostic_type", &NoticeRecipient::diagnostic_type),
                   field("diagnostic", &NoticeRecipient::diagnostic),
                   field("remote_mta", &NoticeRecipient::remote_mta));
  }
};

struct NoticeDone {
  std::string queue_id;  // of the notice; empty: none was due
  TroubleWire trouble;   // not made now: ask again later, keep the recipients
  static constexpr auto wire() {
    return message("notice.done", field("queue_id", &NoticeDone::queue_id),
                   field("trouble", &NoticeDone::trouble));
  }
};

// qmgr to cleanup: tell the sender (or the postmaster, by notify_classes).
// cleanup decides by the rules of RFC 3461 and bounce(8) who is told: null
// sender, double bounces, NOTIFY=NEVER; and answers when the notice is on
// disk.
struct NoticeRequest {
  using Answer = NoticeDone;
  std::string kind;       // "failure", "delay", "success", "verify"
  std::string queue_id;   // of the subject message
  Fd message;             // its queue file, read-only
  std::string layout;
  std::string envelope;
  std::vector<NoticeRecipient> recipients;
  static constexpr auto wire() {
    return ipc::message("notice.request", field("kind", &NoticeRequest::kind),
                   field("queue_id", &NoticeRequest::queue_id),
                   field("message", &NoticeRequest::message),
                   field("layout", &NoticeRequest::layout),
                   field("envelope", &NoticeRequest::envelope),
                   field("recipients", &NoticeRequest::recipients));
  }
};

}  // namespace postern::ipc
