// Refusals as smtpd told the mail log of them, for postern explain: one line,
// those of one queue id, those of a client's last session.
// The text is foreign: clients choose names and addresses in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::tools {

// "ID: reject: RCPT from NAME[ADDRESS]: REPLY; from=<> to=<> proto= helo=<>"
struct RefusalEvent {
  std::string queue_id;  // "NOQUEUE" before the first accepted recipient
  std::string where;     // the command, "RCPT", "END-OF-MESSAGE"
  std::string client_name, client_address;
  std::string reply;
  std::optional<std::string> sender, recipient;  // external forms
  std::string protocol;
  std::optional<std::string> helo;
  // From other lines of the same session; "" when they tell nothing.
  std::string tag;  // "postfix/submission/smtpd"
  std::string sasl_method, sasl_user;
  bool encrypted = false;
};

// nullopt: the line tells of no refusal.
std::optional<RefusalEvent> parse_refusal(std::string_view line);

// Those of one message, oldest first.
std::vector<RefusalEvent> refusals_of_message(std::string_view log,
                                              std::string_view queue_id);

// Those of the last session of a client that the log knows.
std::vector<RefusalEvent> refusals_of_session(std::string_view log,
                                              std::string_view address);

}  // namespace postern::tools
