// qmgr asks a delivery agent to try one destination for some recipients, and
// the agent says what came of each.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/ipc/wire.h"
#include "common/os/fd.h"

namespace postern::ipc {

struct DeliverRecipient {
  std::int64_t index = 0;  // in the message's envelope; comes back
  std::string address;     // internal form
  std::string original;    // before any rewriting; empty: same
  std::string orcpt;
  std::int64_t notify = 0;
  static constexpr auto wire() {
    return message("deliver.recipient",
                   field("index", &DeliverRecipient::index),
                   field("address", &DeliverRecipient::address),
                   field("original", &DeliverRecipient::original),
                   field("orcpt", &DeliverRecipient::orcpt),
                   field("notify", &DeliverRecipient::notify));
  }
};

// Outcome for one recipient. The agent has logged it already ("to=<…>,
// relay=…, status=sent (…)").
enum class Outcome : std::int64_t { sent = 1, deferred = 2, bounced = 3 };

// One of several deliveries that a recipient became (aliases, forwarding), as
// a notice tells it.
struct DeliverPart {
  std::string address;  // internal form
  // Who is told instead of the message's sender: the owner of a list.
  std::string owner;
  Outcome outcome = Outcome::deferred;
  std::string status;
  std::string text;
  std::string diagnostic_type;
  std::string diagnostic;
  std::string remote_mta;
  std::string relay;           // as DeliverResult's
  std::string success_action;  // as DeliverResult's
  static constexpr auto wire() {
    return message("deliver.part", field("address", &DeliverPart::address),
                   field("owner", &DeliverPart::owner),
                   field("outcome", &DeliverPart::outcome),
                   field("status", &DeliverPart::status),
                   field("text", &DeliverPart::text),
                   field("diagnostic_type", &DeliverPart::diagnostic_type),
                   field("diagnostic", &DeliverPart::diagnostic),
                   field("remote_mta", &DeliverPart::remote_mta),
                   field("relay", &DeliverPart::relay),
                   field("success_action", &DeliverPart::success_action));
  }
};

struct DeliverResult {
  std::int64_t index = 0;
  Outcome outcome = Outcome::deferred;
  std::string status;  // 2.0.0
  std::string text;    // "host mx[192.0.2.1] said: 450 …", for notice and mailq
  std::string diagnostic_type;
  std::string diagnostic;
  std::string remote_mta;
  // RFC 3461 6.2, what NOTIFY=SUCCESS is told: "delivered", "relayed",
  // "expanded"; empty: nothing is due (the next host does DSN).
  std::string success_action;
  // Of a failure: who was spoken to, for reports on request; the text of a
  // success has it.
  std::string relay;
  // What the recipient became, where that is not just itself: told instead of
  // the above, which sums it up.
  std::vector<DeliverPart> parts;
  static constexpr auto wire() {
    return message("deliver.result", field("index", &DeliverResult::index),
                   field("outcome", &DeliverResult::outcome),
                   field("status", &DeliverResult::status),
                   field("text", &DeliverResult::text),
                   field("diagnostic_type", &DeliverResult::diagnostic_type),
                   field("diagnostic", &DeliverResult::diagnostic),
                   field("remote_mta", &DeliverResult::remote_mta),
                   field("success_action", &DeliverResult::success_action),
                   field("relay", &DeliverResult::relay),
                   field("parts", &DeliverResult::parts));
  }
};

struct DeliverReport {
  // One per recipient of the request; a recipient without one is deferred.
  std::vector<DeliverResult> results;
  // Set when the destination as a whole cannot be reached (no connection, no
  // greeting, an error before the first recipient): concurrency feedback and
  // "dead destination" follow from it. Text as in mailq.
  bool destination_failed = false;
  std::string failure_status;
  std::string failure_text;
  // Those without a result are for another transport, "name" or
  // "name:nexthop" (best_mx_transport).
  std::string pass_to;
  static constexpr auto wire() {
    return message("deliver.report", field("results", &DeliverReport::results),
                   field("destination_failed",
                         &DeliverReport::destination_failed),
                   field("failure_status", &DeliverReport::failure_status),
                   field("failure_text", &DeliverReport::failure_text),
                   field("pass_to", &DeliverReport::pass_to));
  }
};

struct DeliverRequest {
  using Answer = DeliverReport;
  std::string queue_id;
  std::string service;   // transport: the row's name
  std::string nexthop;
  std::string sender;    // internal form
  std::string envid;
  std::string ret;
  std::string body;      // "", "7BIT", "8BITMIME"
  bool smtputf8 = false;
  std::string context;   // "local" or "remote"
  std::int64_t content_offset = 0;
  std::int64_t content_size = 0;
  // For delay= and delays=a/b/c/d: microseconds since 1970.
  std::int64_t arrival = 0;
  std::int64_t activated = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<DeliverRecipient> recipients;
  // How many other requests of the same destination wait or are under way:
  // with some, the agent keeps its session for the next.
  std::int64_t backlog = 0;
  // Ask for one try at a verification probe: no delivery (address
  // verification, sendmail -bv).
  bool verify_only = false;
  Fd message;            // the queue file, read-only
  static constexpr auto wire() {
    return ipc::message(
        "deliver.request", field("queue_id", &DeliverRequest::queue_id),
        field("service", &DeliverRequest::service),
        field("nexthop", &DeliverRequest::nexthop),
        field("sender", &DeliverRequest::sender),
        field("envid", &DeliverRequest::envid),
        field("ret", &DeliverRequest::ret),
        field("body", &DeliverRequest::body),
        field("smtputf8", &DeliverRequest::smtputf8),
        field("context", &DeliverRequest::context),
        field("content_offset", &DeliverRequest::content_offset),
        field("content_size", &DeliverRequest::content_size),
        field("arrival", &DeliverRequest::arrival),
        field("activated", &DeliverRequest::activated),
        field("attributes", &DeliverRequest::attributes),
        field("recipients", &DeliverRequest::recipients),
        field("backlog", &DeliverRequest::backlog),
        field("verify_only", &DeliverRequest::verify_only),
        field("message", &DeliverRequest::message));
  }
};

}  // namespace postern::ipc
