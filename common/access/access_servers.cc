// check_…_mx_access and its sisters: access tables of the hosts that serve a
// name. Hosts are looked up by name first, then by their addresses.
#include <fmt/format.h>

#include <algorithm>

#include "common/access/access.h"
#include "common/access/records.h"
#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/mail/address.h"
#include "common/tables/address_find.h"

namespace postern::access {
namespace {

// What a stranger's zone can make us ask.
constexpr std::size_t most_servers = 50;

// The domain of an address, or the name itself; in lower case.
std::string domain_of(std::string_view text) {
  const mail::AddressParts parts = mail::split_address(text);
  std::string domain = to_lower(parts.has_at ? parts.domain : text);
  if (domain.ends_with('.')) domain.pop_back();
  return domain;
}

// "192.0.2.1" of "[192.0.2.1]" and "[IPv6:…]"; "" when it is none.
std::string literal_address(std::string_view domain) {
  if (!domain.starts_with('[') || !domain.ends_with(']')) return "";
  domain = domain.substr(1, domain.size() - 2);
  if (starts_with_nocase(domain, "ipv6:")) domain.remove_prefix(5);
  return mail::valid_hostaddr(domain) ? std::string(domain) : "";
}

}  // namespace

// The words of a party that tables and lists are about.
std::string Access::text_of(Party party) const {
  switch (party) {
    case Party::client:
      return facts_.client.name_code == '2' ? facts_.client.name : "";
    case Party::reverse_client:
      return facts_.client.reverse_code == '2' ? facts_.client.reverse_name
                                               : "";
    case Party::helo: return facts_.helo.value_or("");
    case Party::sender: return facts_.sender.value_or("");
    case Party::recipient: return facts_.recipient.value_or("");
    case Party::none: break;
  }
  return "";
}

Task<Access::Outcome> Access::servers(const Restriction* restriction,
                                      int depth) {
  const std::string given = text_of(restriction->party);
  if (given.empty()) co_return Outcome::go_on;
  std::string domain = domain_of(given);
  const Hosts kind = restriction->hosts;
  const std::vector<Server> found =
      co_await servers_of(std::move(domain), kind, given);
  Subject judged = subject_of(restriction->party);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Server server = found[i];
    std::optional<ipc::TableAnswer> answer =
        co_await find_server(restriction->argument, server, judged);
    if (!answer) continue;
    if (answer->trouble.present) co_return Outcome::refuse;
    const Outcome outcome = co_await act(std::move(answer->value),
                                         restriction->argument, judged, depth);
    co_return forbid_permit(restriction->name, given, outcome);
  }
  co_return Outcome::go_on;
}

// An empty list where nothing is known of the name. A domain without MX record
// is its own exchanger; one without name servers is served by its parent's.
Task<std::vector<Access::Server>> Access::servers_of(std::string domain,
                                                     Hosts kind,
                                                     std::string given) {
  std::vector<Server> out;
  const std::string address = literal_address(domain);
  if (!address.empty() || mail::valid_hostaddr(domain)) {
    if (kind != Hosts::name_servers)
      out.push_back({"", address.empty() ? domain : address});
    co_return std::move(out);
  }
  std::vector<std::string> names;
  if (kind == Hosts::name_servers) {
    names = co_await name_servers_of(domain);
  } else if (kind == Hosts::exchangers) {
    const ipc::DnsAnswer answer = co_await questions_.dns(domain, "MX");
    if (answer.status == "servfail" || answer.status == "timeout")
      log_.warning("Unable to look up MX host for {}: {}", given, answer.text);
    else if (answer.status != "ok")
      names.push_back(domain);
    for (const std::string& record : answer.records)
      names.push_back(host_in(record));
  } else {
    names.push_back(domain);
  }
  std::erase(names, "");
  if (names.size() > most_servers) names.resize(most_servers);
  for (std::size_t i = 0; i < names.size(); ++i) {
    // All names first: one that is listed needs no addresses.
    if (kind != Hosts::addresses) out.push_back({names[i], ""});
    out.push_back({"", names[i]});
  }
  co_return std::move(out);
}

Task<std::vector<std::string>> Access::name_servers_of(std::string domain) {
  std::vector<std::string> names;
  std::string zone = domain;
  for (;;) {
    const ipc::DnsAnswer answer = co_await questions_.dns(zone, "NS");
    for (const std::string& record : answer.records)
      names.push_back(host_in(record));
    if (answer.status == "servfail" || answer.status == "timeout")
      log_.warning("Unable to look up NS host for {}: {}", domain,
                   answer.text);
    const bool go_up = answer.status == "nxdomain" ||
                       answer.status == "nodata";
    const std::size_t dot = zone.find('.');
    if (!go_up || dot == std::string::npos || dot + 1 == zone.size())
      co_return std::move(names);
    zone.erase(0, dot + 1);
  }
}

// What the table says of one host. An answer with trouble has been refused
// already.
Task<std::optional<ipc::TableAnswer>> Access::find_server(std::string maps,
                                                          Server server,
                                                          Subject judged) {
  std::vector<ipc::TableFind> asked;
  if (!server.host.empty()) {
    asked.push_back(domain_question(maps, server.host,
                                    settings_->parents_in_client_access));
  } else if (mail::valid_hostaddr(server.address)) {
    asked.push_back(address_question(maps, server.address));
  } else {
    const ipc::MailHostsAnswer found =
        co_await questions_.host(server.address);
    if (found.addresses.empty() && found.trouble.present)
      log_.warning("Unable to look up host {} for {} {}: {}", server.address,
                   judged.kind, judged.name, found.trouble.text);
    for (const ipc::HostAddress& each : found.addresses)
      asked.push_back(address_question(maps, each.address));
    if (asked.size() > most_servers) asked.resize(most_servers);
  }
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Result<ipc::TableAnswer> answer =
        co_await questions_.find(std::move(asked[i]));
    if (!answer || answer->trouble.present) {
      ipc::TableAnswer failed;
      failed.trouble = ipc::TroubleWire::from(try_later("3.5", "table"));
      table_failed(maps, answer ? answer->trouble.text : answer.trouble().text,
                   judged);
      co_return std::move(failed);
    }
    if (answer->found) co_return std::move(*answer);
  }
  co_return std::nullopt;
}

// A stranger chooses who serves its name: that cannot make it welcome.
Access::Outcome Access::forbid_permit(const std::string& name,
                                      const std::string& target,
                                      Outcome outcome) {
  const bool discarded = (effects_.flags & ipc::discard_message) != 0;
  if (outcome != Outcome::permit || discarded) return outcome;
  log_.warning("restriction {} returns OK for {}", name, target);
  log_.warning("this is not allowed for security reasons");
  log_.warning("use DUNNO instead of OK if you want to make an exception");
  return misconfigured();
}

}  // namespace postern::access
