#include "local/expand.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "local/names.h"

namespace postern::local {
namespace {

bool special_name(const std::string& alias) {
  return alias.starts_with("owner-") || alias.ends_with("-request");
}

}  // namespace

bool Plan::deferred() const {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
    return step.kind == Step::Kind::refuse && step.trouble.temporary();
  });
}

Task<Plan> Expansion::run(std::string address) {
  co_await recipient(Context(), std::move(address));
  co_return std::move(plan_);
}

Expansion::Name Expansion::parse(const std::string& address) const {
  const mail::AddressParts parts = mail::split_address(address);
  Name name;
  name.local = mail::fold_key(parts.local);
  name.base = name.local;
  name.domain = parts.domain;
  name.address = address;
  if (const auto cut = mail::split_extension(name.local, rules_.extension())) {
    name.suffix = name.local.substr(cut->base.size());
    name.base = name.local.substr(0, cut->base.size());
  }
  // It would choose among files of other names: forward_path.
  if (name.suffix.find('/') != std::string::npos) {
    name.suffix.clear();
    name.illegal_extension = true;
  }
  return name;
}

// Past the limit nothing is remembered, and duplicates pass.
bool Expansion::seen(std::string what) {
  if (seen_.contains(what)) return true;
  if (rules_.duplicate_filter_limit == 0 ||
      seen_.size() < rules_.duplicate_filter_limit)
    seen_.insert(std::move(what));
  return false;
}

ipc::RecipientNames Expansion::names_of(const Name& name) {
  ipc::RecipientNames names;
  names.recipient = name.address;
  names.local = name.local;
  names.user = name.base;
  names.domain = name.domain;
  if (!name.suffix.empty()) {
    names.delimiter = name.suffix.substr(0, 1);
    names.extension = name.suffix.substr(1);
  }
  return names;
}

void Expansion::refuse(const Context& context, const std::string& recipient,
                       Trouble trouble) {
  add(context, Step::Kind::refuse, recipient).trouble = std::move(trouble);
}

// What is wrong is for the log; the sender learns that something is.
void Expansion::refuse_configuration(const Context& context, const Name& name,
                                     Lasting lasting, std::string warning) {
  warn(std::move(warning));
  refuse(context, name.address,
         {lasting, "3.5", "mail system configuration error"});
}

Step& Expansion::add(const Context& context, Step::Kind kind,
                     std::string recipient) {
  Step step;
  step.kind = kind;
  step.recipient = std::move(recipient);
  step.delivered = context.delivered;
  step.owner = context.owner;
  plan_.steps.push_back(std::move(step));
  return plan_.steps.back();
}

// One address that leads to our service: the one that was asked for, or a
// member of an alias.
Task<> Expansion::recipient(Context context, std::string address) {
  const std::string folded = mail::fold_key(address);
  if (seen(std::to_string(context.level) + " " + folded)) co_return;
  if (delivered_to_.contains(address)) {
    refuse(context, address,
           give_up("4.6", "mail forwarding loop for " + address));
    co_return;
  }
  if (context.delivered.empty()) context.delivered = address;
  Name name = parse(address);
  if (name.illegal_extension)
    warn("address with illegal extension: " + name.local);
  if (++context.level > deepest) {
    warn("alias database loop for " + name.local);
    refuse(context, address,
           give_up("4.6", "alias database loop for " + name.local));
    co_return;
  }
  if (!context.no_alias) {
    const bool was_alias = co_await alias(context, name);
    if (was_alias) co_return;
  }
  const bool resubmit = !context.owner_name.empty() && !context.no_alias &&
                        !equal_nocase(context.owner_name, name.base);
  if (resubmit) {
    if (!seen("indirect " + folded))
      add(context, Step::Kind::forward, address);
    co_return;
  }
  Result<std::optional<os::User>> user = co_await user_of(&name);
  if (!user) {
    warn("error looking up passwd info for " + name.base + ": " +
         user.trouble().text);
    refuse(context, address, try_later("3.0", "user lookup error"));
    co_return;
  }
  const bool exists = user->has_value();
  os::User who;
  if (exists) who = **user;
  if (exists && !context.no_alias) {
    const bool forwarded = co_await forwarding(context, name, who);
    if (forwarded) co_return;
  }
  const bool passed =
      co_await transport(context, name, rules_.mailbox_transport_maps,
                         rules_.mailbox_transport);
  if (passed) co_return;
  if (exists) {
    co_await mailbox(context, name, who);
  } else {
    co_await unknown(context, name);
  }
}

// False: no alias; the name stands for itself.
Task<bool> Expansion::alias(Context context, Name name) {
  std::vector<std::string> keys;
  if (name.local != context.from_alias) keys.push_back(name.local);
  if (!name.suffix.empty() && name.base != context.from_alias)
    keys.push_back(name.base);
  if (keys.empty()) co_return false;
  const std::string address = name.address;
  Result<std::optional<AliasFound>> found = co_await directory_.alias(keys);
  if (!found) {
    plan_.warnings.push_back(found.trouble().text);
    refuse(context, address, try_later("3.0", "alias database unavailable"));
    co_return true;
  }
  if (!*found) co_return false;

  const std::string key = (*found)->key;
  context.from_alias = key;
  context.extension.clear();
  if (key != name.local && rules_.propagate_extension.alias)
    context.extension = name.suffix;
  if (!rules_.frozen_delivered_to) context.delivered = address;
  context.rights = {};
  context.rights.origin = "alias";
  if ((*found)->owner) context.rights.user = *(*found)->owner;
  Result<std::optional<std::string>> owner = co_await owner_of(key);
  if (!owner) {
    plan_.warnings.push_back(owner.trouble().text);
    refuse(context, address, try_later("3.0", "alias database unavailable"));
    co_return true;
  }
  if (*owner) {
    context.owner = **owner;
    context.owner_name = **owner;
  } else if (rules_.reset_owner_alias) {
    context.owner.reset();
    context.owner_name.clear();
  }

  if (!plan_.expanded) plan_.owned = owner->has_value();
  plan_.expanded = true;
  std::vector<Destination> all = parse_destinations((*found)->value);
  if (all.empty())
    refuse_configuration(context, name, Lasting::temporary,
                         "alias " + key + " has no members");
  co_await members(context, std::move(all), name);
  co_return true;
}

// The sender of what an alias forwards, if it has an owner.
Task<Result<std::optional<std::string>>> Expansion::owner_of(
    std::string alias) {
  using Owner = std::optional<std::string>;
  if (rules_.owner_request_special && special_name(alias)) co_return Owner();
  const std::string name = "owner-" + alias;
  std::vector<std::string> keys;
  keys.push_back(name);
  Result<std::optional<AliasFound>> found =
      co_await directory_.alias(std::move(keys));
  if (!found) co_return found.trouble();
  if (!*found) co_return Owner();
  std::string owner = name;
  if (rules_.expand_owner_alias)
    for (const Destination& each : parse_destinations((*found)->value))
      if (each.kind == Destination::Kind::address) {
        owner = each.text;
        break;
      }
  co_return Owner(directory_.rewrite(owner));
}

// The name as it stands, or without its extension, which then is none.
Task<Result<std::optional<os::User>>> Expansion::user_of(Name* name) {
  std::vector<std::string> names;
  names.push_back(name->local);
  if (name->base != name->local) names.push_back(name->base);
  for (std::size_t i = 0; i < names.size(); ++i) {
    // Never part of a path but as one component of it.
    if (names[i].empty() || names[i].front() == '.' ||
        names[i].find('/') != std::string::npos)
      continue;
    Result<std::optional<os::User>> user = co_await directory_.user(names[i]);
    const bool none = user.ok() && !user->has_value();
    if (none) continue;
    if (user.ok() && i == 0) {
      name->base = name->local;
      name->suffix.clear();
    }
    co_return std::move(user);
  }
  co_return std::optional<os::User>();
}

// ~/.forward and its like. False: there is none, or it leads back to here.
Task<bool> Expansion::forwarding(Context context, Name name, os::User user) {
  if (!rules_.forwarding) co_return false;
  ipc::RecipientNames names = names_of(name);
  Result<ipc::ListAnswer> list =
      co_await directory_.forward(user, std::move(names));
  if (!list) {
    refuse(context, name.address, list.trouble());
    co_return true;
  }
  for (std::string& warning : list->warnings) warn(std::move(warning));
  if (!list->found) co_return false;
  // Met again: as a member of itself, the user's own mailbox is meant; and
  // once it has been carried out, all is done.
  const std::string done = "forward-done " + list->path;
  if (seen("forward " + list->path)) co_return seen_.contains(done);
  std::vector<Destination> all = parse_list(list->text);
  if (all.empty()) co_return false;
  context.from_alias = name.local;
  context.owner_name = name.base;
  context.extension.clear();
  if (rules_.propagate_extension.forward && !list->extension_used)
    context.extension = name.suffix;
  if (!rules_.frozen_delivered_to) context.delivered = name.address;
  context.rights.user = user;
  context.rights.origin = "forward";
  context.rights.list.clear();
  context.rights.of_recipient = true;
  plan_.expanded = true;
  co_await members(context, std::move(all), name);
  seen_.insert(done);
  co_return true;
}

// The transport that tables give the user, or another one. False: none.
Task<bool> Expansion::transport(Context context, Name name, std::string maps,
                                std::string otherwise) {
  std::string chosen = otherwise;
  if (!maps.empty()) {
    Result<std::optional<std::string>> found =
        co_await directory_.find(maps, name.base);
    if (!found) {
      warn(found.trouble().text);
      refuse(context, name.address, try_later("3.0", "table lookup failure"));
      co_return true;
    }
    if (*found) chosen = **found;
  }
  if (chosen.empty()) co_return false;
  if (seen("pass " + mail::fold_key(name.address))) co_return true;
  Step& step = add(context, Step::Kind::pass, name.address);
  step.text = chosen;
  co_return true;
}

Task<> Expansion::mailbox(Context context, Name name, os::User user) {
  if (seen("mailbox " + user.name)) co_return;
  if (!rules_.mailbox_command_maps.empty()) {
    const std::string maps = rules_.mailbox_command_maps;
    Result<std::optional<std::string>> found =
        co_await directory_.find(maps, name.base);
    if (!found) {
      warn(found.trouble().text);
      refuse(context, name.address, try_later("3.0", "table lookup failure"));
      co_return;
    }
    if (*found) {
      to_command(context, name, **found, "mailbox_command_maps",
                 std::move(user));
      co_return;
    }
  }
  if (!rules_.mailbox_command.empty()) {
    to_command(context, name, rules_.mailbox_command, "mailbox_command",
               std::move(user));
    co_return;
  }
  Step& step = add(context, Step::Kind::store, name.address);
  step.user = std::move(user);
  step.names = names_of(name);
}

Task<> Expansion::unknown(Context context, Name name) {
  const std::string address = name.address;
  const bool passed =
      co_await transport(context, name, rules_.fallback_transport_maps,
                         rules_.fallback_transport);
  if (passed) co_return;
  if (!rules_.luser_relay.empty() && !context.unknown_user) {
    const Result<Expanded> relay = expand_names(
        rules_.luser_relay, {names_of(name), "", ""}, std::nullopt);
    if (!relay) {
      refuse_configuration(context, name, Lasting::temporary,
                           "luser_relay: " + relay.trouble().text);
      co_return;
    }
    context.unknown_user = true;
    context.from_alias.clear();
    const std::string target = relay->text;
    co_await follow(context, target, false);
    co_return;
  }
  const bool required =
      name.local == "mailer-daemon" || name.local == "postmaster";
  if (required || equal_nocase(name.local, rules_.double_bounce_sender)) {
    plan_.warnings.push_back(
        required ? "required alias not found: " + name.local
                 : std::string("undeliverable postmaster notification "
                               "discarded"));
    add(context, Step::Kind::discard, address).text =
        required ? "discarded"
                 : "undeliverable postmaster notification discarded";
    co_return;
  }
  refuse(context, address,
         give_up("1.1", "unknown user: \"" + name.base + "\""));
}

}  // namespace postern::local
