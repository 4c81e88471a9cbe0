// The checks that need only what is known of the session. Pure functions; the
// cases are in tests/unit/smtpd/access_test.cc.
#pragma once

#include <string>
#include <string_view>

#include "common/access/facts.h"

namespace postern::access {

// A judgement: nothing, permission, or a refusal with its reply.
struct Judged {
  enum class What { nothing, permit, refuse };
  What what = What::nothing;
  Fault fault = Fault::policy;
  int code = 0;
  std::string status;
  std::string text;

  static Judged none() { return {}; }
  static Judged permitted() { return {What::permit}; }
  static Judged refused(Fault fault, int code, std::string status,
                        std::string text) {
    return {What::refuse, fault, code, std::move(status), std::move(text)};
  }
};

// reject_invalid_helo_hostname; `code` is invalid_hostname_reject_code.
Judged judge_helo_syntax(std::string_view helo, int code);
// reject_non_fqdn_helo_hostname; literals are judged by `literal_code`.
Judged judge_helo_fqdn(std::string_view helo, int code, int literal_code);
// permit_naked_ip_address: a HELO name that is an address without brackets.
Judged judge_naked_address(std::string_view helo, int code);
// reject_non_fqdn_sender, reject_non_fqdn_recipient; `kind` is "Sender
// address" or "Recipient address".
Judged judge_fqdn_address(std::string_view address, std::string_view kind,
                          int code);

}  // namespace postern::access
