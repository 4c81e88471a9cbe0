#include "smtp/route.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "smtp/services.h"

namespace postern::smtp {
namespace {

constexpr int smtp_port = 25;

Trouble bad_next_hop(std::string_view why, std::string_view text) {
  return try_later("3.5", fmt::format("{} in next-hop destination: {}", why,
                                      printable(text)));
}

// "host:port" or "host", "[host]" in brackets; the port may be missing.
struct HostPort {
  std::string host;
  std::string port;
  bool brackets = false;
};
std::optional<HostPort> split_host_port(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.brackets = true;
    out.host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (out.host.empty()) return std::nullopt;
  if (rest.empty()) return out;
  if (rest.front() != ':' || rest.size() == 1) return std::nullopt;
  out.port = rest.substr(1);
  return out;
}

bool is_v6(const Target& target) {
  return target.address.find(':') != std::string::npos;
}

bool usable(const std::string& address, const Settings& settings) {
  return address.find(':') != std::string::npos ? settings.ipv6 : settings.ipv4;
}

bool ours(const ipc::HostAddress& found, bool by_mx, const Settings& settings) {
  if (by_mx && equal_nocase(found.host, settings.myhostname)) return true;
  return std::find(settings.own_addresses.begin(), settings.own_addresses.end(),
                   found.address) != settings.own_addresses.end();
}

void shuffle(std::vector<ipc::HostAddress>& all, const Dice& dice) {
  for (std::size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[dice(i)]);
}

// Wanted protocol first among equals.
bool goes_first(const ipc::HostAddress& a, const ipc::HostAddress& b,
                AddressPreference preference) {
  if (a.preference != b.preference) return a.preference < b.preference;
  if (preference == AddressPreference::any) return false;
  const bool want6 = preference == AddressPreference::ipv6;
  const bool a_wanted = (a.address.find(':') != std::string::npos) == want6;
  const bool b_wanted = (b.address.find(':') != std::string::npos) == want6;
  return a_wanted && !b_wanted;
}

}  // namespace

std::string Target::name_and_port() const {
  return port == 0 ? name() : fmt::format("{}:{}", name(), port);
}

Result<SocketAddress> Target::socket_address(
    const std::string& queue_directory) const {
  if (!local_socket()) return SocketAddress::ip(address, port);
  if (!address.empty() && address.front() == '/')
    return SocketAddress::unix_path(address);
  return SocketAddress::unix_path(queue_directory + "/" + address);
}

Result<NextHop> parse_next_hop(std::string_view text,
                               const Settings& settings) {
  NextHop hop;
  if (settings.lmtp && text.starts_with("unix:")) {
    hop.kind = NextHop::Kind::socket;
    hop.name = text.substr(5);
    if (hop.name.empty()) return bad_next_hop("missing socket path", text);
    return hop;
  }
  std::string_view place = text;
  if (settings.lmtp && place.starts_with("inet:")) place.remove_prefix(5);
  const auto parts = split_host_port(place);
  if (!parts) return bad_next_hop("malformed host or port", text);

  const auto port =
      parse_port(parts->port.empty() ? settings.default_port : parts->port,
                 settings.ports);
  if (!port) return bad_next_hop("unknown service or port", text);
  hop.port = *port;
  hop.service = parts->port.empty() ? settings.default_port : parts->port;
  hop.name = parts->host;
  if (parts->brackets && starts_with_nocase(hop.name, "ipv6:"))
    hop.name.erase(0, 5);
  hop.kind = NextHop::Kind::domain;
  if (parts->brackets || settings.lmtp || !settings.use_dns)
    hop.kind = NextHop::Kind::host;
  if (hop.kind == NextHop::Kind::host && mail::valid_hostaddr(hop.name))
    hop.kind = NextHop::Kind::literal;
  return hop;
}

std::size_t fair_dice(std::size_t limit) {
  std::uint32_t roll = 0;
  // Without entropy the order is the one of the name server.
  if (::getrandom(&roll, sizeof roll, 0) != sizeof roll) return limit - 1;
  return roll % limit;
}

Result<Routes> arrange(std::vector<ipc::HostAddress> found, const NextHop& hop,
                       const Settings& settings, const Dice& dice) {
  const bool by_mx = hop.kind == NextHop::Kind::domain;
  std::erase_if(found, [&](const ipc::HostAddress& one) {
    return !usable(one.address, settings);
  });
  if (settings.randomize) shuffle(found, dice);
  std::stable_sort(found.begin(), found.end(),
                   [&](const auto& a, const auto& b) {
                     return goes_first(a, b, settings.preference);
                   });
  Routes routes;
  if (found.empty())
    return try_later("4.3", fmt::format("no usable address for {}: the "
                                        "addresses it has are of a protocol "
                                        "that inet_protocols excludes",
                                        hop.name));
  const std::int64_t best = found.front().preference;

  // Ports other than 25 are no mail exchangers' business: content filters and
  // tests listen there, on this very machine.
  if (hop.port == smtp_port && !settings.lmtp) {
    const auto self = std::find_if(
        found.begin(), found.end(),
        [&](const auto& one) { return ours(one, by_mx, settings); });
    if (self != found.end()) {
      const std::int64_t cut = self->preference;
      std::erase_if(found,
                    [&](const auto& one) { return one.preference >= cut; });
      routes.we_are_mx = true;
      routes.nobody_else = found.empty();
      if (found.empty() && !settings.best_mx_transport.empty()) return routes;
      if (found.empty())
        return give_up(
            "4.6", fmt::format("mail for {} loops back to myself", hop.name));
    }
  }
  for (ipc::HostAddress& one : found)
    routes.targets.push_back({std::move(one.host), std::move(one.address),
                              hop.port, one.preference == best,
                              std::move(one.canonical), one.secure});
  if (settings.balance_protocols)
    balance(routes.targets, settings.address_limit);
  return routes;
}

void balance(std::vector<Target>& targets, std::size_t limit) {
  if (limit < 2 || targets.size() <= limit) return;
  const auto count6 = std::count_if(targets.begin(), targets.end(), is_v6);
  const auto count4 = static_cast<std::ptrdiff_t>(targets.size()) - count6;
  if (count4 == 0 || count6 == 0) return;
  const bool few6 = count6 <= count4;
  const std::size_t due = std::min<std::size_t>(
      limit / 2, static_cast<std::size_t>(std::min(count4, count6)));

  // Move the first of the minority up, into the last of the first `limit`
  // places, until enough of them are there.
  const auto minority = [&](const Target& t) { return is_v6(t) == few6; };
  const auto edge = targets.begin() + static_cast<std::ptrdiff_t>(limit);
  auto inside =
      static_cast<std::size_t>(std::count_if(targets.begin(), edge, minority));
  for (auto slot = edge; inside < due;) {
    do --slot;
    while (minority(*slot));
    const auto next = std::find_if(edge, targets.end(), minority);
    std::iter_swap(slot, next);
    ++inside;
  }
}

Task<Result<Routes>> find_routes(NextHop hop, const Settings& settings,
                                 Resolver& resolver, std::string& notice) {
  if (hop.kind == NextHop::Kind::socket) {
    Routes routes;
    Target socket;
    socket.host = settings.myhostname;
    socket.address = hop.name;
    routes.targets.push_back(std::move(socket));
    co_return routes;
  }
  if (by_service(hop, settings)) {
    bool fall_back = false;
    Result<Routes> offered =
        co_await find_service(hop, settings, resolver, &fall_back);
    if (offered || !fall_back) co_return std::move(offered);
  }
  std::vector<ipc::HostAddress> found;
  if (hop.kind == NextHop::Kind::literal) {
    ipc::HostAddress literal;
    literal.host = literal.address = literal.canonical = hop.name;
    found.push_back(std::move(literal));
    co_return arrange(std::move(found), hop, settings, fair_dice);
  }
  ipc::MailHostsFind question;
  question.domain = hop.name;
  question.use_mx = hop.kind == NextHop::Kind::domain;
  question.native = settings.use_native;
  question.dns = settings.use_dns;
  question.dnssec = settings.use_dnssec;
  const std::string domain = question.domain;
  const bool by_mx = question.use_mx;
  Result<ipc::MailHostsAnswer> asked =
      co_await resolver.hosts(std::move(question));
  if (!asked) co_return asked.trouble();
  // Nobody knows whether there are MX records: not what RFC 5321 section 5.1
  // wants.
  const bool unknown = by_mx && !asked->used_mx && asked->trouble.present &&
                       !asked->trouble.permanent && asked->addresses.empty();
  if (unknown && settings.ignore_mx_error) {
    ipc::MailHostsFind again;
    again.domain = domain;
    again.use_mx = false;
    again.native = settings.use_native;
    again.dns = settings.use_dns;
    again.dnssec = settings.use_dnssec;
    asked = co_await resolver.hosts(std::move(again));
    if (!asked) co_return asked.trouble();
  }
  ipc::MailHostsAnswer answer = std::move(*asked);
  if (answer.null_mx)
    co_return give_up("1.0", fmt::format("Domain {} does not accept mail "
                                         "(nullMX)",
                                         hop.name));
  if (answer.trouble.present) {
    const bool no_address = answer.used_mx && answer.trouble.permanent;
    if (no_address)
      notice =
          fmt::format("no MX host for {} has a valid address record", hop.name);
    if (no_address && settings.defer_if_no_mx_address)
      co_return try_later(answer.trouble.detail, answer.trouble.text);
    co_return answer.trouble.trouble();
  }
  Result<Routes> routes =
      arrange(std::move(answer.addresses), hop, settings, fair_dice);
  if (routes && answer.used_mx)
    for (Target& target : routes->targets) {
      target.by_mx = true;
      target.mx_secure = answer.secure;
      target.mx_canonical = answer.canonical;
    }
  co_return std::move(routes);
}

}  // namespace postern::smtp
