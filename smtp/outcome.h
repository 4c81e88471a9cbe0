// What came of each recipient: from a server's words, or their absence, to
// the log line and the result that qmgr gets.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/deliver.h"
#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/mail/status.h"
#include "common/service/delivery_log.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

struct Failure {
  std::string status;      // 4.4.2
  std::string text;        // for the log, mailq and notices
  std::string diagnostic;  // the server's reply; empty: these are our words
  std::string remote_mta;  // who said so
  // The trouble is with the destination, whoever the mail is for: qmgr slows
  // down or stops trying others.
  bool of_destination = false;

  bool temporary() const { return !status.empty() && status[0] == '4'; }
};

Failure from_trouble(const Trouble& trouble);
// "host mx[192.0.2.1] said: 550 5.1.1 … (in reply to RCPT TO command)". An
// answer that is neither 4xx nor 5xx where neither was due is a temporary
// failure.
Failure said(const Target& target, const mail::ParsedReply& reply,
             std::string_view command);
// "host mx[192.0.2.1] refused to talk to me: 421 …".
Failure refused_to_talk(const Target& target, const mail::ParsedReply& reply);
// "lost connection with mx[192.0.2.1] while sending MAIL FROM".
Failure hung_up(const Target& target, const Hangup& hangup,
                std::string_view doing);

// The recipients of one request.
class Ledger {
 public:
  // All three are borrowed.
  Ledger(const ipc::DeliverRequest& request, const Settings& settings,
         const log::Log& log);

  // Indexes into request.recipients of those without a verdict.
  std::vector<std::size_t> open() const;
  bool any_open() const { return open_ > 0; }

  // --- where we are ---
  void reached(std::string relay, int session_uses);  // for relay=
  void session_ready();  // greeting and EHLO are done
  bool session_was_ready() const { return times_.connected != 0; }
  // No server is left to try after this one: temporary failures are final.
  void set_last_chance(bool last) { last_chance_ = last; }

  // --- verdicts ---
  // `dsn`: the server passes success notifications on itself.
  void sent(std::size_t recipient, const mail::ParsedReply& reply, bool dsn);
  // A temporary failure leaves the recipient open while there is another
  // server to try; the reason is logged.
  void refuse(std::size_t recipient, const Failure& failure);
  void refuse_all(const Failure& failure);  // those that are open
  // Those that are open get the temporary failure that they met last.
  void settle_postponed();

  // --- the end ---
  // What became of one recipient, before soft_bounce.
  struct Verdict {
    std::size_t recipient = 0;
    ipc::DeliverResult result;
    std::string relay;
    int session_uses = 1;
    DeliveryTimes times;
  };
  // With smtp_delivery_status_filter verdicts wait here until they have been
  // filtered; publish() logs and reports one.
  std::vector<Verdict> take_held() { return std::exchange(held_, {}); }
  void publish(Verdict verdict);

  ipc::DeliverReport take() { return std::move(report_); }

 private:
  // Temporary, with another server to try.
  bool postpone(const Failure& failure) const;
  void note_destination(const Failure& failure);
  void settle(std::size_t recipient, ipc::DeliverResult result);
  void settle_failed(std::size_t recipient, const Failure& failure);

  const ipc::DeliverRequest& request_;
  const Settings& settings_;
  const log::Log& log_;
  std::vector<bool> settled_;
  std::vector<Failure> postponed_;  // by recipient
  std::vector<Verdict> held_;
  std::size_t open_;
  ipc::DeliverReport report_;
  std::string relay_ = "none";
  int session_uses_ = 1;
  bool last_chance_ = true;
  DeliveryTimes times_;
};

}  // namespace postern::smtp
