// Logins that a server has refused, so that the same password is not offered
// again and again (smtp_sasl_auth_cache_name). In this process's memory: a
// restart forgets them, which costs one attempt.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/loop/loop.h"

namespace postern::smtp {

class LoginCache {
 public:
  struct Refusal {
    std::string status;  // 5.7.8
    std::string words;   // the server's reply
  };

  // `who` is identity_of() the credentials.
  std::optional<Refusal> find(const std::string& host, const std::string& who,
                              Clock::time_point now) const;
  void keep(const std::string& host, const std::string& who, Refusal refusal,
            Clock::time_point until);

 private:
  struct Entry {
    Refusal refusal;
    Clock::time_point until;
  };
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace postern::smtp
