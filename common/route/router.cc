// Start reading at Router::resolve; what it asks of the domain lists is in
// State::class_of.
#include "common/route/router.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/own_networks.h"
#include "common/mail/address.h"
#include "common/route/lookup_client.h"
#include "common/tables/address_find.h"
#include "common/tables/match_list.h"

namespace postern::route {
namespace {

// Addresses of the interfaces that receive mail, and those a proxy has for us.
std::vector<std::string> own_addresses(const config::Config& config) {
  std::vector<std::string> out;
  for (const config::InterfaceAddress& a : config::chosen_addresses(
           config::interface_addresses(), config.get<"inet_interfaces">(),
           config.get<"inet_protocols">()))
    out.push_back(a.text());
  for (const std::string& word :
       split_words(config.get<"proxy_interfaces">()))
    out.push_back(to_lower(word));
  return out;
}

// user%host and site!user; where nothing of the kind is there, unchanged.
std::optional<std::string> undo_routing(std::string_view local, bool bang,
                                        bool percent) {
  if (bang) {
    const std::size_t at = local.find('!');
    if (at != std::string_view::npos)
      return std::string(local.substr(at + 1)) + "@" +
             std::string(local.substr(0, at));
  }
  if (percent) {
    const std::size_t at = local.rfind('%');
    if (at != std::string_view::npos)
      return std::string(local.substr(0, at)) + "@" +
             std::string(local.substr(at + 1));
  }
  return std::nullopt;
}

// Of a transport that says no next hop. Those that fail say why instead.
std::string default_hop(const std::string& transport,
                        const std::string& otherwise) {
  return transport == "error" || transport == "retry"
             ? "Address is undeliverable"
             : otherwise;
}

}  // namespace

std::pair<std::string, std::string> Router::split_destination(
    const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {text, ""};
  return {text.substr(0, colon), std::string(trim(text.substr(colon + 1)))};
}

struct Router::State {
  State(const config::Config& config, LookupClient& client);

  tables::MatchList list(const config::Config& config, const char* name,
                         const std::string& value);
  Task<Result<bool>> in_list(tables::MatchList* list, std::string domain);
  Task<Result<AddressClass>> class_of(std::string domain);
  Task<Result<bool>> is_local(std::string domain);
  std::string strip(std::string local, const std::string& domain) const;
  Task<Result<Resolved>> route(std::string sender, std::string address,
                               std::string domain, AddressClass what);
  Task<Result<Resolved>> apply_transport_maps(Resolved resolved,
                                              std::string domain);
  Task<Result<std::optional<std::string>>> find_address(std::string maps,
                                                        std::string address,
                                                        bool domain_is_local);
  Task<Result<Known>> listed(std::string maps, std::string address,
                             bool domain_is_local, std::string class_name,
                             std::string code_parameter);
  mail::ExtensionRules rules() const {
    return {delimiters, owner_request_special, double_bounce};
  }

  LookupClient& lookup;
  // Rewriting.
  std::string myorigin, mydomain, myhostname, remote_domain;
  bool bang, percent, append_at, append_dot, dequoted, null_domain_is_local,
      numeric_domain, show_table, parents_transport;
  std::string delimiters, double_bounce;
  bool owner_request_special;
  // Resolving.
  std::vector<std::string> addresses;
  tables::MatchList mydestination, alias_domains, mailbox_domains,
      relay_domains;
  std::string local_transport, virtual_transport, relay_transport,
      default_transport, relayhost, transport_maps, relocated_maps,
      sender_relayhost_maps, sender_transport_maps, empty_sender_key,
      empty_sender_transport_key, empty_recipient;
  // Who is known.
  std::string local_recipient_maps, virtual_mailbox_maps, relay_recipient_maps,
      virtual_alias_maps, canonical_maps, recipient_canonical_maps;
};

Router::State::State(const config::Config& c, LookupClient& client)
    : lookup(client) {
  myorigin = c.get<"myorigin">();
  mydomain = c.get<"mydomain">();
  myhostname = c.get<"myhostname">();
  remote_domain = c.get<"remote_header_rewrite_domain">();
  bang = c.get<"swap_bangpath">();
  percent = c.get<"allow_percent_hack">();
  append_at = c.get<"append_at_myorigin">();
  append_dot = c.boolean("append_dot_mydomain");
  dequoted = c.get<"resolve_dequoted_address">();
  null_domain_is_local = c.get<"resolve_null_domain">();
  numeric_domain = c.get<"resolve_numeric_domain">();
  show_table = c.get<"show_user_unknown_table_name">();
  delimiters = c.get<"recipient_delimiter">();
  double_bounce = c.get<"double_bounce_sender">();
  owner_request_special = c.get<"owner_request_special">();
  addresses = own_addresses(c);

  mydestination = list(c, "mydestination", c.get<"mydestination">());
  alias_domains = list(c, "virtual_alias_domains",
                       c.get<"virtual_alias_domains">());
  mailbox_domains = list(c, "virtual_mailbox_domains",
                         c.get<"virtual_mailbox_domains">());
  relay_domains = list(c, "relay_domains", c.get<"relay_domains">());
  const std::vector<std::string> parents =
      split_words(c.get<"parent_domain_matches_subdomains">());
  parents_transport = std::find(parents.begin(), parents.end(),
                                "transport_maps") != parents.end();

  local_transport = c.get<"local_transport">();
  virtual_transport = c.get<"virtual_transport">();
  relay_transport = c.get<"relay_transport">();
  default_transport = c.get<"default_transport">();
  relayhost = c.get<"relayhost">();
  transport_maps = c.get<"transport_maps">();
  relocated_maps = c.get<"relocated_maps">();
  sender_relayhost_maps = c.get<"sender_dependent_relayhost_maps">();
  sender_transport_maps = c.get<"sender_dependent_default_transport_maps">();
  empty_sender_key = c.get<"empty_address_relayhost_maps_lookup_key">();
  empty_sender_transport_key =
      c.get<"empty_address_default_transport_maps_lookup_key">();
  empty_recipient = c.get<"empty_address_recipient">();

  local_recipient_maps = c.get<"local_recipient_maps">();
  virtual_mailbox_maps = c.get<"virtual_mailbox_maps">();
  relay_recipient_maps = c.get<"relay_recipient_maps">();
  virtual_alias_maps = c.get<"virtual_alias_maps">();
  canonical_maps = c.get<"canonical_maps">();
  recipient_canonical_maps = c.get<"recipient_canonical_maps">();
}

tables::MatchList Router::State::list(const config::Config& config,
                                      const char* name,
                                      const std::string& value) {
  tables::MatchOptions options;
  options.kind = tables::MatchOptions::Kind::domains;
  options.title = name;
  for (const std::string& word :
       split_words(config.get<"parent_domain_matches_subdomains">()))
    if (word == name) options.parents = true;
  return tables::MatchList::parse(value, options);
}

Router::Router(const config::Config& config, LookupClient& lookup)
    : state_(std::make_unique<State>(config, lookup)) {}

Router::~Router() = default;

void Router::load() {
  State& s = *state_;
  for (tables::MatchList* list : {&s.mydestination, &s.alias_domains,
                                  &s.mailbox_domains, &s.relay_domains})
    list->open_tables(true);
}

std::string Router::rewrite(const std::string& address,
                            Context context) const {
  const State& s = *state_;
  if (address.empty()) return address;
  std::string out(mail::strip_route(address));
  mail::AddressParts parts = mail::split_address(out);
  if (!parts.has_at) {
    if (const auto routed = undo_routing(out, s.bang, s.percent)) out = *routed;
    parts = mail::split_address(out);
  }
  const bool local = context == Context::local;
  if (!parts.has_at) {
    const std::string& origin = local ? s.myorigin : s.remote_domain;
    if (s.append_at && !origin.empty()) out += "@" + origin;
    parts = mail::split_address(out);
  }
  if (!parts.has_at || parts.domain.empty()) return out;
  if (parts.domain.back() == '.' && parts.domain.size() > 1) {
    out.pop_back();
    parts = mail::split_address(out);
  }
  if (s.append_dot && parts.domain.find('.') == std::string_view::npos &&
      parts.domain.front() != '[') {
    const std::string& domain = local ? s.mydomain : s.remote_domain;
    if (!domain.empty()) out += "." + domain;
  }
  return out;
}

Task<Result<bool>> Router::State::in_list(tables::MatchList* list,
                                          std::string domain) {
  tables::MatchList::Walk walk(*list, domain);
  for (;;) {
    Result<std::optional<tables::MatchList::Walk::Question>> next =
        walk.next();
    if (!next) co_return next.trouble();
    if (!*next) co_return walk.matched();
    std::string table = (*next)->table;
    std::string key = (*next)->key;
    Result<std::optional<std::string>> found =
        co_await lookup.find(std::move(table), std::move(key));
    if (!found) co_return found.trouble();
    walk.answer(found->has_value());
  }
}

Task<Result<bool>> Router::State::is_local(std::string domain) {
  if (const auto literal = mail::parse_literal(domain)) {
    const std::string address = to_lower(*literal);
    for (const std::string& own : addresses)
      if (own == address) co_return true;
    co_return false;
  }
  co_return co_await in_list(&mydestination, std::move(domain));
}

Task<Result<bool>> Router::is_local_domain(std::string domain) {
  co_return co_await state_->is_local(std::move(domain));
}

Task<Result<AddressClass>> Router::State::class_of(std::string domain) {
  Result<bool> found = co_await is_local(domain);
  if (!found) co_return found.trouble();
  if (*found) co_return AddressClass::local;
  found = co_await in_list(&alias_domains, domain);
  if (!found) co_return found.trouble();
  if (*found) co_return AddressClass::virtual_alias;
  found = co_await in_list(&mailbox_domains, domain);
  if (!found) co_return found.trouble();
  if (*found) co_return AddressClass::virtual_mailbox;
  found = co_await in_list(&relay_domains, domain);
  if (!found) co_return found.trouble();
  co_return *found ? AddressClass::relay : AddressClass::other;
}

Task<Result<AddressClass>> Router::class_of(std::string domain) {
  co_return co_await state_->class_of(std::move(domain));
}

// What a local part still says about other hosts, once its own domain is us.
std::string Router::State::strip(std::string local,
                                 const std::string& domain) const {
  if (!dequoted && mail::quote_local_822(local + "@x") != local + "@x")
    return local + "@" + domain;
  if (local.find('@') != std::string::npos) return local;
  if (const auto routed = undo_routing(local, bang, percent)) return *routed;
  return local + "@" + domain;
}

Task<Result<Resolved>> Router::resolve(std::string sender,
                                       std::string address) {
  State& s = *state_;
  if (address.empty()) address = rewrite(s.empty_recipient, Context::local);
  Resolved out;
  std::string domain;
  // Each round takes one of our own domains off a routed address; an address
  // gets shorter by it, so this ends.
  for (;;) {
    const mail::AddressParts parts = mail::split_address(address);
    domain = to_lower(parts.domain);
    const std::string local(parts.local);
    if (!parts.has_at) {
      domain = s.myhostname;
      address += "@" + domain;
      break;
    }
    if (domain.empty() && s.null_domain_is_local) domain = s.myhostname;
    if (domain.empty()) break;
    Result<bool> ours = co_await s.is_local(domain);
    if (!ours) co_return ours.trouble();
    if (!*ours) break;
    std::string stripped = s.strip(local, domain);
    if (stripped == local + "@" + domain ||
        stripped == local + "@" + std::string(parts.domain))
      break;
    address = rewrite(stripped, Context::local);
  }
  const mail::AddressParts last = mail::split_address(address);
  const std::string local(last.local);
  out.routed =
      local.find('@') != std::string::npos ||
      (s.percent && local.find('%') != std::string::npos) ||
      (s.bang && local.find('!') != std::string::npos);

  if (s.numeric_domain && mail::valid_hostaddr(domain)) {
    domain = "[" + domain + "]";
    address = local + "@" + domain;
  }
  const bool fine = domain.starts_with('[') ? mail::valid_literal(domain)
                                            : mail::valid_utf8_hostname(domain);
  if (!fine || local.empty()) {
    out.transport = "error";
    out.nexthop = "5.1.3 Bad recipient address syntax";
    out.recipient = address;
    out.bad_syntax = true;
    co_return out;
  }
  Result<AddressClass> what = co_await s.class_of(domain);
  if (!what) co_return what.trouble();
  const AddressClass address_class = *what;
  const bool routed = out.routed;
  Result<Resolved> resolved = co_await s.route(
      std::move(sender), std::move(address), domain, address_class);
  if (!resolved) co_return resolved.trouble();
  resolved->routed = routed;
  // Alias domains go nowhere, whatever the tables say; all else may, a
  // default_transport of "error" included.
  if (address_class == AddressClass::virtual_alias)
    co_return std::move(resolved);
  co_return co_await s.apply_transport_maps(std::move(*resolved), domain);
}

// The transport of a class, before transport_maps (ADDRESS_CLASS_README).
Task<Result<Resolved>> Router::State::route(std::string sender,
                                            std::string address,
                                            std::string domain,
                                            AddressClass what) {
  Resolved out;
  out.recipient = std::move(address);
  out.address_class = what;
  std::string destination;
  std::string default_nexthop = domain;
  switch (what) {
    case AddressClass::local:
      destination = local_transport;
      break;
    case AddressClass::virtual_alias:
      destination = std::string("error:5.1.1 User unknown") +
                    (show_table ? " in virtual alias table" : "");
      break;
    case AddressClass::virtual_mailbox:
      destination = virtual_transport;
      break;
    case AddressClass::relay:
    case AddressClass::other:
      destination =
          what == AddressClass::relay ? relay_transport : default_transport;
      if (!relayhost.empty()) default_nexthop = relayhost;
      break;
  }
  const bool outside =
      what == AddressClass::relay || what == AddressClass::other;
  if (outside && !sender_relayhost_maps.empty()) {
    const std::string key = sender.empty() ? empty_sender_key : sender;
    Result<std::optional<std::string>> found =
        co_await find_address(sender_relayhost_maps, key, false);
    if (!found) co_return found.trouble();
    if (*found) {
      const std::string value = **found;
      if (!equal_nocase(value, "DUNNO")) default_nexthop = value;
    }
  }
  if (what == AddressClass::other && !sender_transport_maps.empty()) {
    const std::string key =
        sender.empty() ? empty_sender_transport_key : sender;
    Result<std::optional<std::string>> found =
        co_await find_address(sender_transport_maps, key, false);
    if (!found) co_return found.trouble();
    if (*found) {
      const std::string value = **found;
      if (!equal_nocase(value, "DUNNO")) destination = value;
    }
  }
  const auto [transport, nexthop] = split_destination(destination);
  out.transport = transport;
  out.nexthop =
      nexthop.empty() ? default_hop(transport, default_nexthop) : nexthop;
  co_return std::move(out);
}

// transport(5), then relocated(5).
Task<Result<Resolved>> Router::State::apply_transport_maps(
    Resolved resolved, std::string domain) {
  if (!transport_maps.empty()) {
    std::vector<std::string> keys;
    std::int64_t partial_from = 0;
    for (const tables::Candidate& c : tables::transport_keys(
             resolved.recipient, rules(), parents_transport)) {
      if (!c.partial && partial_from == static_cast<std::int64_t>(keys.size()))
        ++partial_from;
      keys.push_back(c.key);
    }
    Result<ipc::TableAnswer> answer = co_await lookup.find_first(
        transport_maps, std::move(keys), partial_from);
    if (!answer) co_return answer.trouble();
    if (answer->found) {
      const std::string value = answer->value;
      const std::size_t colon = value.find(':');
      const std::string transport = value.substr(0, colon);
      const std::string nexthop =
          colon == std::string::npos
              ? ""
              : std::string(trim(value.substr(colon + 1)));
      // A transport without a next hop: the recipient's domain; a next hop
      // without a transport: the default transport's; neither: no change.
      if (!transport.empty()) {
        resolved.transport = transport;
        resolved.nexthop = nexthop.empty() ? default_hop(transport, domain)
                                           : nexthop;
      } else if (!nexthop.empty()) {
        resolved.nexthop = nexthop;
      }
    }
  }
  if (!relocated_maps.empty()) {
    std::string address = resolved.recipient;
    const bool local = resolved.address_class == AddressClass::local;
    Result<std::optional<std::string>> found =
        co_await find_address(relocated_maps, std::move(address), local);
    if (!found) co_return found.trouble();
    if (*found) {
      resolved.transport = "error";
      resolved.nexthop = "5.1.6 User has moved to " + **found;
    }
  }
  co_return std::move(resolved);
}

Task<Result<std::optional<std::string>>> Router::State::find_address(
    std::string maps, std::string address, bool domain_is_local) {
  tables::KeyList list =
      tables::virtual_key_list(address, rules(), domain_is_local);
  Result<ipc::TableAnswer> answer = co_await lookup.find_first(
      std::move(maps), std::move(list.keys), list.partial_from);
  if (!answer) co_return answer.trouble();
  std::optional<std::string> out;
  if (answer->found) out = answer->value;
  co_return std::move(out);
}

Task<Result<Router::Known>> Router::State::listed(std::string maps,
                                                  std::string address,
                                                  bool domain_is_local,
                                                  std::string class_name,
                                                  std::string code_parameter) {
  Known out;
  if (maps.empty()) co_return out;
  Result<std::optional<std::string>> found = co_await find_address(
      std::move(maps), std::move(address), domain_is_local);
  if (!found) co_return found.trouble();
  if (*found) co_return out;
  out.known = false;
  out.text = "User unknown";
  if (show_table) out.text += " in " + class_name + " table";
  out.reject_code_parameter = std::move(code_parameter);
  co_return std::move(out);
}

Task<Result<Router::Known>> Router::recipient_known(std::string address,
                                                    Resolved resolved) {
  State& s = *state_;
  Known out;
  const mail::AddressParts parts = mail::split_address(address);
  const bool local = resolved.address_class == AddressClass::local;
  if (local && equal_nocase(parts.local, s.double_bounce)) co_return out;

  // Whom the canonical or virtual maps know exists, whatever its class.
  for (const std::string* maps :
       {&s.recipient_canonical_maps, &s.canonical_maps,
        &s.virtual_alias_maps}) {
    if (maps->empty()) continue;
    Result<std::optional<std::string>> found =
        co_await s.find_address(*maps, address, local);
    if (!found) co_return found.trouble();
    if (*found) co_return out;
  }
  if (resolved.transport == "error" &&
      resolved.address_class != AddressClass::virtual_alias) {
    // "5.1.6 User has moved": status, then text.
    out.known = false;
    out.text = resolved.nexthop;
    const std::size_t space = out.text.find(' ');
    if (space != std::string::npos && is_digit(out.text.front()) &&
        out.text.substr(0, space).find('.') != std::string::npos) {
      out.status = out.text.substr(0, space);
      out.text = out.text.substr(space + 1);
    } else {
      out.status = "5.0.0";
    }
    co_return std::move(out);
  }
  switch (resolved.address_class) {
    case AddressClass::local:
      co_return co_await s.listed(s.local_recipient_maps, address, true,
                                  "local recipient",
                                  "unknown_local_recipient_reject_code");
    case AddressClass::virtual_alias:
      out.known = false;
      out.text = "User unknown";
      if (s.show_table) out.text += " in virtual alias table";
      out.reject_code_parameter = "unknown_virtual_alias_reject_code";
      co_return std::move(out);
    case AddressClass::virtual_mailbox:
      co_return co_await s.listed(s.virtual_mailbox_maps, address, false,
                                  "virtual mailbox",
                                  "unknown_virtual_mailbox_reject_code");
    case AddressClass::relay:
      co_return co_await s.listed(s.relay_recipient_maps, address, false,
                                  "relay recipient",
                                  "unknown_relay_recipient_reject_code");
    case AddressClass::other: break;
  }
  co_return std::move(out);
}

}  // namespace postern::route
