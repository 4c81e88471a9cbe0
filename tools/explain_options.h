// The words behind "postern explain": an envelope, or where in the mail log to
// find some.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern::tools {

struct Envelope {
  std::string client_address = "127.0.0.1";
  std::optional<std::string> client_name;  // none: it is looked up
  std::string helo, sender, recipient;
  std::string sasl_user, sasl_method = "PLAIN";
  std::string service = "smtp";  // the row whose -o options count
  std::string stage = "RCPT";    // the command that is judged
  std::string logged;            // the reply that the log tells of; "": none
  std::int64_t time = 0;         // seconds since 1970
  std::int64_t size = 0;         // of the message
  std::int64_t recipients = 1;   // for DATA and END-OF-MESSAGE
  bool has_sender = true;
  bool encrypted = false;
  bool pipelined = false;  // commands were sent before their turn
  bool dns = true;
  bool ask_policy = false;
};

struct ExplainWords {
  Envelope envelope;
  std::string line, queue_id, session;  // at most one is given
  bool json = false;

  bool from_log() const {
    return !line.empty() || !queue_id.empty() || !session.empty();
  }
};

// nullopt: not understood, and said so.
std::optional<ExplainWords> read_explain_words(
    const std::vector<std::string>& words);

// The address within <...>, in internal form.
std::optional<std::string> internal_address(const std::string& external);

}  // namespace postern::tools
