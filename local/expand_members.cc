// The members of an alias, forwarding file or :include: file.
#include <utility>

#include "common/base/text.h"
#include "local/expand.h"

namespace postern::local {

Task<> Expansion::members(Context context, std::vector<Destination> all,
                          Name parent) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    Destination destination = std::move(all[i]);
    co_await member(context, std::move(destination), parent);
  }
}

Task<> Expansion::member(Context context, Destination destination,
                         Name parent) {
  using Kind = Destination::Kind;
  switch (destination.kind) {
    case Kind::address:
    case Kind::user: {
      const bool as_user = destination.kind == Kind::user;
      co_await follow(context, destination.text, as_user);
      co_return;
    }
    case Kind::command:
      command(context, parent, std::move(destination.text));
      co_return;
    case Kind::file:
      file(context, parent, std::move(destination.text));
      co_return;
    case Kind::include:
      co_await include(context, parent, destination.text);
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
  if (!seen("indirect " + mail::fold_key(complete)))
    add(context, Step::Kind::forward, complete);
}

// A command as `user`; root's are run as default_privs.
void Expansion::to_command(const Context& context, const Name& name,
                           std::string text, std::string origin,
                           os::User user) {
  if (user.name.empty() || user.uid == 0 || user.gid == 0) {
    if (!rules_.default_user) {
      refuse_configuration(context, name, Lasting::temporary,
                           "default_privs names no user that can be used");
      return;
    }
    user = *rules_.default_user;
  }
  const std::string key = "command " + name.base + ":" +
                          std::to_string(user.uid) + " " + text;
  if (seen(key)) return;
  Step& step = add(context, Step::Kind::command, name.address);
  step.names = names_of(name);
  step.user = std::move(user);
  step.text = std::move(text);
  step.origin = std::move(origin);
  step.list = context.rights.list;
}

void Expansion::command(const Context& context, const Name& parent,
                        std::string text) {
  if (!rules_.commands.has(context.rights.origin)) {
    refuse(context, parent.address,
           give_up("7.1", "mail to command is restricted"));
    return;
  }
  to_command(context, parent, std::move(text), context.rights.origin,
             context.rights.user);
}

void Expansion::file(const Context& context, const Name& parent,
                     std::string path) {
  if (!rules_.files.has(context.rights.origin)) {
    refuse(context, parent.address,
           give_up("7.1", "mail to file is restricted"));
    return;
  }
  os::User user = context.rights.user;
  if (user.name.empty() || user.uid == 0 || user.gid == 0) {
    if (!rules_.default_user) {
      refuse_configuration(context, parent, Lasting::temporary,
                           "default_privs names no user that can be used");
      return;
    }
    user = *rules_.default_user;
  }
  if (seen("file " + std::to_string(user.uid) + " " + path)) return;
  Step& step = add(context, Step::Kind::file, parent.address);
  step.names = names_of(parent);
  step.user = std::move(user);
  step.text = std::move(path);
  step.origin = context.rights.origin;
  step.list = context.rights.list;
}

Task<> Expansion::include(Context context, Name parent, std::string path) {
  if (!path.starts_with('/')) {
    refuse_configuration(context, parent, Lasting::permanent,
                         ":include:" + path + " uses a relative path");
    co_return;
  }
  Rights rights = context.rights;
  if (rights.user.name.empty() || rights.user.uid == 0) {
    if (!rules_.default_user) {
      refuse_configuration(context, parent, Lasting::temporary,
                           "default_privs names no user that can be used");
      co_return;
    }
    rights.user = *rules_.default_user;
  }
  const std::string key =
      "include " + std::to_string(rights.user.uid) + " " + path;
  if (seen(key)) co_return;
  if (++context.level > deepest) {
    refuse_configuration(context, parent, Lasting::permanent,
                         ":include: loop for " + path);
    co_return;
  }
  ipc::RecipientNames names = names_of(parent);
  Result<ipc::ListAnswer> list =
      co_await directory_.include(rights, path, std::move(names));
  if (!list) {
    refuse_configuration(context, parent, list.trouble().lasting,
                         list.trouble().text);
    co_return;
  }
  if (!context.rights.of_recipient) {
    Result<std::optional<os::User>> owner =
        co_await directory_.user_by_id(list->owner);
    const bool known = owner.ok() && owner->has_value();
    if (!known) {
      refuse_configuration(context, parent, Lasting::temporary,
                           path + ": cannot find :include: file owner "
                                  "username");
      co_return;
    }
    context.rights.user = **owner;
  }
  context.rights.origin = "include";
  context.rights.list = path;
  // Members of a list are messages of their own, with the sender that it has.
  if (context.owner_name.empty()) context.owner_name = parent.address;
  if (!rules_.propagate_extension.include) context.extension.clear();
  std::vector<Destination> all = parse_list(list->text);
  co_await members(context, std::move(all), parent);
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
