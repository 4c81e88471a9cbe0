// Who probes say they are from (address_verify_sender), which may change with
// time (address_verify_sender_ttl). lookup sends them; smtpd takes what is
// sent to it unjudged, so that two hosts that probe each other agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/config/config.h"

namespace postern::access {

class ProbeSender {
 public:
  // The null sender, which nobody can send to.
  ProbeSender() = default;
  explicit ProbeSender(const config::Config& config);

  // At this moment (seconds since 1970); "" for the null sender.
  std::string address(std::int64_t now) const;
  // The address without what changes, when `recipient` is one that was, is or
  // will next be in use.
  std::optional<std::string> accepted(std::string_view recipient,
                                      std::int64_t now) const;

 private:
  std::string local_, domain_;
  std::int64_t ttl_ = 0;
};

}  // namespace postern::access
