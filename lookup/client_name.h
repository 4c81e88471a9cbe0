// The verified name of a client: what its address is called, if the name
// agrees. Decisions only; names.h asks the questions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/names.h"
#include "common/ipc/messages/lookup.h"

namespace postern::lookup {

// Codes of ClientNameAnswer.
enum class NameCode : std::int64_t {
  ok = 2,
  temporary = 4,
  permanent = 5,
  forged = 6,
};

// After the question for the address's name. `name` is what it gave, "" when
// `outcome` is not ok.
ipc::ClientNameAnswer judge_reverse(const std::string& name,
                                    dns::Outcome outcome);

// Completes an answer whose reverse name is known (reverse_code is ok) with
// what the name's addresses are.
ipc::ClientNameAnswer judge_forward(ipc::ClientNameAnswer answer,
                                    const std::string& address,
                                    const std::vector<std::string>& addresses,
                                    dns::Outcome outcome);

// What getaddrinfo(3) calls a failure.
std::string_view system_words(dns::Outcome outcome);

}  // namespace postern::lookup
