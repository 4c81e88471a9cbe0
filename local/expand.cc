#include "local/expand.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/config/expand.h"

namespace postern::local {
namespace {

constexpr int deepest = 100;

// The names that luser_relay(5) may use. There is no user, hence no home and
// no shell.
class RelayNames : public config::Names {
 public:
  std::string domain, extension, local, recipient, delimiter, user;

  std::optional<std::string> find(std::string_view name) const override {
    if (name == "domain") return domain;
    if (name == "extension") return extension;
    if (name == "local") return local;
    if (name == "recipient") return recipient;
    if (name == "recipient_delimiter") return delimiter;
    if (name == "user") return user;
    return std::nullopt;
  }
};

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
  if (const auto cut = mail::split_extension(name.local, rules_.extension())) {
    name.suffix = name.local.substr(cut->base.size());
    name.base = name.local.substr(0, cut->base.size());
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

void Expansion::refuse(const Context& context, const std::string& recipient,
                       Trouble trouble) {
  add(context, Step::Kind::refuse, recipient, {});
  plan_.steps.back().trouble = std::move(trouble);
}

void Expansion::add(const Context& context, Step::Kind kind,
                    std::string recipient, os::User user) {
  Step step;
  step.kind = kind;
  step.recipient = std::move(recipient);
  step.delivered = context.delivered;
  step.user = std::move(user);
  step.owner = context.owner;
  plan_.steps.push_back(std::move(step));
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
  const Name name = parse(address);
  if (++context.level > deepest) {
    plan_.warnings.push_back("alias database loop for " + name.local);
    refuse(context, address,
           give_up("4.6", "alias database loop for " + name.local));
    co_return;
  }
  if (!context.no_alias) {
    const bool was_alias = co_await alias(context, name);
    if (was_alias) co_return;
  }
  // With an owner, members are delivered as a message of their own: each then
  // succeeds or fails alone.
  if (context.resubmit && !context.no_alias) {
    if (!seen("forward " + folded))
      add(context, Step::Kind::forward, address, {});
    co_return;
  }
  const bool has_mailbox = co_await mailbox(context, name, address);
  if (has_mailbox) co_return;
  co_await unknown(context, name, address);
}

// False: no alias; the name stands for itself.
Task<bool> Expansion::alias(Context context, Name name) {
  std::vector<std::string> keys;
  if (name.local != context.from_alias) keys.push_back(name.local);
  if (!name.suffix.empty() && name.base != context.from_alias)
    keys.push_back(name.base);
  if (keys.empty()) co_return false;
  const std::string address =
      name.domain.empty() ? name.local : name.local + "@" + name.domain;
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
  if (key != name.local && rules_.propagate_alias_extension)
    context.extension = name.suffix;
  if (!rules_.frozen_delivered_to) context.delivered = address;
  Result<std::optional<std::string>> owner = co_await owner_of(key);
  if (!owner) {
    plan_.warnings.push_back(owner.trouble().text);
    refuse(context, address, try_later("3.0", "alias database unavailable"));
    co_return true;
  }
  if (*owner) {
    context.owner = **owner;
    context.resubmit = true;
  } else if (rules_.reset_owner_alias) {
    context.owner.reset();
    context.resubmit = false;
  }

  const std::vector<Destination> members = parse_destinations((*found)->value);
  if (members.empty()) {
    plan_.warnings.push_back("alias " + key + " has no members");
    refuse(context, address,
           try_later("3.5", "mail system configuration error"));
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    Destination destination = members[i];
    co_await member(context, std::move(destination), address);
  }
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

Task<> Expansion::member(Context context, Destination destination,
                         std::string parent) {
  using Kind = Destination::Kind;
  switch (destination.kind) {
    case Kind::address:
    case Kind::user: {
      const bool as_user = destination.kind == Kind::user;
      co_await follow(context, destination.text, as_user);
      co_return;
    }
    case Kind::command:
      if (!rules_.commands_from_alias)
        refuse(context, parent,
               give_up("7.1", "mail to command is restricted"));
      else
        refuse(context, parent,
               try_later("3.0", "delivery to commands is not available"));
      co_return;
    case Kind::file:
      if (!rules_.files_from_alias)
        refuse(context, parent, give_up("7.1", "mail to file is restricted"));
      else
        refuse(context, parent,
               try_later("3.0", "delivery to files is not available"));
      co_return;
    case Kind::include:
      refuse(context, parent,
             try_later("3.0", ":include: files are not available"));
      co_return;
  }
}

// A member that is an address: it stays here, or leaves as a new message.
Task<> Expansion::follow(Context context, std::string member, bool as_user) {
  const std::string complete =
      directory_.rewrite(with_extension(member, context.extension));
  context.extension.clear();
  Result<route::Resolved> resolved = co_await directory_.resolve(complete);
  if (!resolved) {
    plan_.warnings.push_back(resolved.trouble().text);
    refuse(context, complete, try_later("3.0", "address resolver failure"));
    co_return;
  }
  if (resolved->bad_syntax) {
    refuse(context, complete,
           give_up("1.3", "bad recipient address syntax: " + complete));
    co_return;
  }
  if (resolved->transport == rules_.service) {
    context.no_alias = as_user;
    co_await recipient(context, resolved->recipient);
    co_return;
  }
  if (!seen("forward " + mail::fold_key(complete)))
    add(context, Step::Kind::forward, complete, {});
}

// False: there is no such user.
Task<bool> Expansion::mailbox(Context context, Name name, std::string address) {
  std::vector<std::string> names;
  names.push_back(name.local);
  if (!name.suffix.empty()) names.push_back(name.base);
  for (std::size_t i = 0; i < names.size(); ++i) {
    // Never part of a path but as one component of it.
    if (names[i].empty() || names[i].front() == '.' ||
        names[i].find('/') != std::string::npos)
      continue;
    Result<std::optional<os::User>> user = co_await directory_.user(names[i]);
    if (!user) {
      plan_.warnings.push_back("error looking up passwd info for " + names[i] +
                               ": " + user.trouble().text);
      refuse(context, address, try_later("3.0", "user lookup error"));
      co_return true;
    }
    if (!*user) continue;
    os::User owner = std::move(**user);
    if (!seen("mailbox " + owner.name))
      add(context, Step::Kind::store, address, std::move(owner));
    co_return true;
  }
  co_return false;
}

Task<> Expansion::unknown(Context context, Name name, std::string address) {
  if (!rules_.unavailable.empty()) {
    refuse(context, address,
           try_later("3.5", rules_.unavailable + " is not available"));
    co_return;
  }
  if (!rules_.luser_relay.empty() && !context.unknown_user) {
    RelayNames names;
    names.domain = name.domain;
    names.extension = name.suffix.empty() ? "" : name.suffix.substr(1);
    names.local = name.local;
    names.recipient = address;
    names.delimiter = name.suffix.substr(0, 1);
    names.user = name.base;
    const Result<std::string> relay = config::expand(rules_.luser_relay, names);
    if (!relay) {
      plan_.warnings.push_back("luser_relay: " + relay.trouble().text);
      refuse(context, address,
             try_later("3.5", "mail system configuration error"));
      co_return;
    }
    context.unknown_user = true;
    context.from_alias.clear();
    const std::string target = *relay;
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
    add(context, Step::Kind::discard, address, {});
    plan_.steps.back().text =
        required ? "discarded"
                 : "undeliverable postmaster notification discarded";
    co_return;
  }
  refuse(context, address,
         give_up("1.1", "unknown user: \"" + name.base + "\""));
}

std::string Expansion::with_extension(const std::string& address,
                                      const std::string& extension) const {
  if (extension.empty()) return address;
  const mail::AddressParts parts = mail::split_address(address);
  std::string whole(parts.local);
  whole += extension;
  if (parts.has_at) {
    whole += '@';
    whole += parts.domain;
  }
  return whole;
}

}  // namespace postern::local
