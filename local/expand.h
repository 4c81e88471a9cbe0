// Who gets a message that is for one local address: aliases(5), forwarding
// files and :include: files are followed, and what remains is a plan of
// deliveries, each of which can fail alone. Nothing is delivered here.
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

// Where something is allowed: allow_mail_to_commands, allow_mail_to_files; or
// done: propagate_unmatched_extensions.
struct Origins {
  bool alias = false;
  bool forward = false;
  bool include = false;

  bool has(const std::string& origin) const {
    return origin == "alias"     ? alias
           : origin == "forward" ? forward
                                 : origin == "include" && include;
  }
};

// Settings that decide about expansion; postconf(5) under these names.
struct ExpandRules {
  std::string service;  // our row: addresses that lead to it stay here
  std::string recipient_delimiter;
  bool owner_request_special = true;
  bool expand_owner_alias = false;
  bool reset_owner_alias = false;
  bool frozen_delivered_to = true;
  bool forwarding = true;  // forward_path is not empty
  Origins propagate_extension;
  Origins commands{true, true, false};
  Origins files{true, true, false};
  std::string mailbox_transport;
  std::string mailbox_transport_maps;
  std::string mailbox_command;  // not expanded
  std::string mailbox_command_maps;
  std::string fallback_transport;
  std::string fallback_transport_maps;
  std::string luser_relay;  // not expanded
  // default_privs; none: the configuration names none that can be used.
  std::optional<os::User> default_user;
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
    file,     // into the file or maildir `text`, as `user`
    command,  // to the command `text`, as `user`
    pass,     // to the transport `text`, "name" or "name:nexthop"
    forward,  // as a new message to `recipient`
    discard,  // taken and dropped; `text` says why
    refuse,   // `trouble` is permanent: bounced; or temporary: deferred
  };
  Kind kind = Kind::refuse;
  std::string recipient;  // complete address, as in the log line
  std::string delivered;  // for the Delivered-To header
  ipc::RecipientNames names;
  os::User user;
  // Who asks for a file or command: as in ipc::WorkerRequest.
  std::string origin;
  std::string list;
  // Sender of the forwarded message where an owner- alias says so.
  std::optional<std::string> owner;
  std::string text;
  Trouble trouble;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<std::string> warnings;
  // The recipient is an alias or has a forwarding file; an alias with an owner.
  bool expanded = false;
  bool owned = false;

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
  static constexpr int deepest = 100;

  // What is handed down from an alias or file to its members.
  struct Context {
    int level = 0;
    std::string from_alias;  // the alias or user that is being expanded
    // Members are messages of their own although they live here, but for one
    // of this name: each then succeeds or fails alone.
    std::string owner_name;
    std::optional<std::string> owner;  // the sender of those messages
    std::string delivered;
    std::string extension;      // to be added to members, delimiter included
    bool unknown_user = false;  // luser_relay is being followed
    bool no_alias = false;      // "\user"
    Rights rights;
  };
  // A recipient as its parts are asked for.
  struct Name {
    std::string local;   // folded
    std::string base;    // without its extension
    std::string suffix;  // delimiter and extension
    bool illegal_extension = false;  // has a "/" and counts for none
    std::string domain;
    std::string address;  // complete, as it came
  };

  // expand.cc: from a recipient to its alias, file or mailbox
  Task<> recipient(Context context, std::string address);
  Task<bool> alias(Context context, Name name);
  Task<Result<std::optional<std::string>>> owner_of(std::string alias);
  Task<Result<std::optional<os::User>>> user_of(Name* name);
  Task<bool> forwarding(Context context, Name name, os::User user);
  Task<bool> transport(Context context, Name name, std::string maps,
                       std::string otherwise);
  Task<> mailbox(Context context, Name name, os::User user);
  Task<> unknown(Context context, Name name);

  // expand_members.cc: what an alias or file lists
  Task<> members(Context context, std::vector<Destination> all, Name parent);
  Task<> member(Context context, Destination destination, Name parent);
  Task<> follow(Context context, std::string member, bool as_user);
  void command(const Context& context, const Name& parent, std::string text);
  void file(const Context& context, const Name& parent, std::string path);
  Task<> include(Context context, Name parent, std::string path);
  void to_command(const Context& context, const Name& name, std::string text,
                  std::string origin, os::User user);

  Name parse(const std::string& address) const;
  static ipc::RecipientNames names_of(const Name& name);
  bool seen(std::string what);
  std::string with_extension(const std::string& address,
                             const std::string& extension) const;
  void warn(std::string text) { plan_.warnings.push_back(std::move(text)); }
  void refuse(const Context& context, const std::string& recipient,
              Trouble trouble);
  void refuse_configuration(const Context& context, const Name& name,
                            Lasting lasting, std::string warning);
  Step& add(const Context& context, Step::Kind kind, std::string recipient);

  const ExpandRules& rules_;
  Directory& directory_;
  const DeliveredTo& delivered_to_;
  std::set<std::string> seen_;
  Plan plan_;
};

}  // namespace postern::local
