// The command line of a pipe row with its ${macros} filled in (pipe(8)).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/deliver.h"
#include "common/mail/address.h"

namespace postern::local {

struct PipeRules {
  std::string flags;        // h, q and u matter here
  std::string null_sender;  // what ${sender} is for the null sender
  std::string recipient_delimiter;
  bool owner_request_special = true;
  std::string double_bounce_sender;

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

// One argument as it stands in the row: text and names in turn.
class PipeArgument {
 public:
  // Trouble (3.5): `unknown macro name: "x"`.
  static Result<PipeArgument> parse(const std::string& text);

  // Once, or, where a macro is a recipient's, once per recipient. Trouble
  // (3.5): an address without what a macro asks for.
  Status expand(const PipeRules& rules, const ipc::DeliverRequest& request,
                std::vector<std::string>& out) const;

 private:
  struct Piece {
    std::string text;
    bool name = false;
  };
  Result<std::string> fill(const PipeRules& rules,
                           const ipc::DeliverRequest& request,
                           const ipc::DeliverRecipient* recipient) const;

  std::vector<Piece> pieces_;
  bool per_recipient_ = false;
};

}  // namespace postern::local
