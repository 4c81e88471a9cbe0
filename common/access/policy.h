// The policy delegation protocol (SMTPD_POLICY_README of Postfix): what is
// asked, what is answered, and how a service is named. Text only.
// Next: policy_client.h, which speaks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/config/endpoints.h"
#include "common/loop/loop.h"

namespace postern::access {

// A policy service as one check_policy_service names it.
struct PolicyService {
  config::Endpoint endpoint;
  // What warnings call it: "127.0.0.1:9998", "private/policy".
  std::string name;
  Millis timeout{}, retry_delay{}, max_idle{}, max_ttl{};
  std::int64_t try_limit = 1;
  std::int64_t request_limit = 0;  // of a connection; 0: none
  std::string default_action;      // as in access(5)
  std::string context;             // policy_context
};

// "inet:host:port", or "{ inet:host:port, timeout=10s, { default_action = … },
// … }" with settings of its own; the others are smtpd_policy_service_….
// Trouble: says what is wrong with it.
Result<PolicyService> parse_policy_service(std::string_view argument,
                                           const config::Config& config);

// A request from its attributes, with the empty line at its end. What would
// end a line in a value is left out of it.
using Attributes = std::vector<std::pair<std::string_view, std::string>>;
std::string policy_request(const Attributes& attributes);

// Reads an answer as it comes.
class PolicyAnswer {
 public:
  // An answer longer than this is none.
  static constexpr std::size_t most_bytes = 65536;

  enum class Step {
    more,
    done,
    bad,  // no answer; why() says what is wrong
  };
  // Takes bytes; `used` says how many belong to this answer.
  Step feed(std::string_view bytes, std::size_t& used);
  const std::string& action() const { return action_; }
  const std::string& why() const { return why_; }

 private:
  Step bad(std::string why);
  Step take_line();
  std::string line_, action_, why_;
  std::size_t bytes_ = 0;
  bool found_ = false;
};

}  // namespace postern::access
