// Who gets a message that is for one local address: aliases(5) are followed,
// and what remains is a plan of deliveries, each of which can fail alone.
// Nothing is delivered here.
// Next: destinations.h, directory.h; local_delivery.h carries a plan out.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "common/mail/address.h"
#include "local/delivered_to.h"
#include "local/destinations.h"
#include "local/directory.h"

namespace postern::local {

// Settings that decide about expansion; postconf(5) under these names.
struct ExpandRules {
  std::string service;  // our row: addresses that lead to it stay here
  std::string recipient_delimiter;
  bool owner_request_special = true;
  bool expand_owner_alias = false;
  bool reset_owner_alias = false;
  bool frozen_delivered_to = true;
  bool propagate_alias_extension = false;  // propagate_unmatched_extensions
  bool commands_from_alias = true;         // allow_mail_to_commands
  bool files_from_alias = true;            // allow_mail_to_files
  std::string luser_relay;                 // not expanded
  // Set but not available (fallback_transport): unknown users wait.
  std::string unavailable;
  std::string double_bounce_sender = "double-bounce";
  std::size_t duplicate_filter_limit = 1000;

  mail::ExtensionRules extension() const {
    return {recipient_delimiter, owner_request_special, double_bounce_sender};
  }
};

// One delivery of a plan.
struct Step {
  enum class Kind {
    store,    // into the mailbox of `user`
    forward,  // as a new message to `recipient`
    discard,  // taken and dropped; `text` says why
    refuse,   // `trouble` is permanent: bounced; or temporary: deferred
  };
  Kind kind = Kind::refuse;
  std::string recipient;  // complete address, as in the log line
  std::string delivered;  // for the Delivered-To header
  os::User user;
  // Sender of the forwarded message where an owner- alias says so.
  std::optional<std::string> owner;
  std::string text;
  Trouble trouble;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<std::string> warnings;

  // A plan with a temporary refusal is not to be carried out at all: the next
  // attempt would deliver the rest of it twice.
  bool deferred() const;
};

class Expansion {
 public:
  // All must outlive the expansion, which is for one recipient.
  Expansion(const ExpandRules& rules, Directory& directory,
            const DeliveredTo& delivered_to)
      : rules_(rules), directory_(directory), delivered_to_(delivered_to) {}

  Task<Plan> run(std::string address);

 private:
  // What is handed down from an alias to its members.
  struct Context {
    int level = 0;
    std::string from_alias;  // the alias that is being expanded
    std::optional<std::string> owner;
    std::string delivered;
    std::string extension;      // to be added to members, delimiter included
    bool unknown_user = false;  // luser_relay is being followed
    // Members are messages of their own although they live here.
    bool resubmit = false;
    bool no_alias = false;  // "\user"
  };
  struct Name {
    std::string local;   // folded
    std::string base;    // without its extension
    std::string suffix;  // delimiter and extension
    std::string domain;
  };

  Task<> recipient(Context context, std::string address);
  Task<bool> alias(Context context, Name name);
  Task<Result<std::optional<std::string>>> owner_of(std::string alias);
  Task<> member(Context context, Destination destination, std::string parent);
  Task<> follow(Context context, std::string member, bool as_user);
  Task<bool> mailbox(Context context, Name name, std::string address);
  Task<> unknown(Context context, Name name, std::string address);

  Name parse(const std::string& address) const;
  bool seen(std::string what);
  std::string with_extension(const std::string& address,
                             const std::string& extension) const;
  void refuse(const Context& context, const std::string& recipient,
              Trouble trouble);
  void add(const Context& context, Step::Kind kind, std::string recipient,
           os::User user);

  const ExpandRules& rules_;
  Directory& directory_;
  const DeliveredTo& delivered_to_;
  std::set<std::string> seen_;
  Plan plan_;
};

}  // namespace postern::local
