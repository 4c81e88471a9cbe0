// What is known about a session at this moment: what restrictions judge and
// log lines tell. The session keeps it up to date.
// Next: access.h, which reads it; session.h, which writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/access/client.h"
#include "common/tls/facts.h"

namespace postern::access {

// Classes of trouble that notify_classes names, as bits.
enum class Fault : unsigned {
  none = 0,
  policy = 1,
  protocol = 2,
  bounce = 4,
  software = 8,
  resource = 16,
  data = 32,
};

// Who has logged in, and how.
struct Login {
  std::string method;  // as the client wrote it, or "XCLIENT"
  std::string user;
};

struct Facts {
  Client client;
  std::string service;  // name of the row, for warnings
  // The name given with HELO or EHLO, made harmless.
  std::optional<std::string> helo;
  std::string protocol = "SMTP";  // or ESMTP
  // Internal forms. The recipient is the one that is being judged, else the
  // first accepted one.
  std::optional<std::string> sender;
  std::string sasl_sender;  // MAIL's AUTH=, where log-ins are enabled
  std::optional<std::string> recipient;
  std::int64_t recipients = 0;  // accepted in this transaction
  // The command that is being judged: "RCPT", "END-OF-MESSAGE".
  std::string where = "CONNECT";
  std::string queue_id;  // "" before the first accepted recipient
  bool improper_pipelining = false;
  // The size that MAIL declared; at the end of the message its real one.
  std::int64_t size = 0;
  std::string etrn_domain;  // of ETRN, while it is judged
  // One transaction, for policy services: unlike any other's.
  std::string instance;
  std::unique_ptr<Login> login;  // null: nobody
  unsigned faults = 0;  // of the session so far
  // What the TLS connection is like; null: there is none.
  std::shared_ptr<const tls::Facts> tls;

  // For log lines.
  std::string queue_name() const {
    return queue_id.empty() ? "NOQUEUE" : queue_id;
  }
  void note(Fault fault) { faults |= static_cast<unsigned>(fault); }
};

// What $name stands for in replies (smtpd_reject_footer, default_rbl_reply);
// "" when it is none of them.
std::string value_of(const Facts& facts, std::string_view name);

// "QID: reject: RCPT from name[addr]: TEXT; from=<> to=<> proto= helo=<>".
std::string event_line(const Facts& facts, std::string_view what,
                       std::string_view text);

}  // namespace postern::access
