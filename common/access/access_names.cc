// What the domain name system says of clients, HELO names and domains.
//
// A name server that does not answer is no proof of anything: the mail is put
// off when nothing else decides (unknown_address_tempfail_action and its
// sister say whether at once).
#include <fmt/format.h>

#include <algorithm>

#include "common/access/access.h"
#include "common/access/records.h"
#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::access {
namespace {

bool is_final(const route::Resolved& resolved) {
  using enum route::AddressClass;
  const route::AddressClass c = resolved.address_class;
  return c == local || c == virtual_alias || c == virtual_mailbox;
}

bool is_literal(std::string_view domain) {
  return domain.starts_with('[') && domain.ends_with(']');
}

const std::vector<std::string>& types_of_hosts() {
  static const std::vector<std::string> types{"A", "AAAA", "MX"};
  return types;
}

const std::vector<std::string>& types_of_domains() {
  static const std::vector<std::string> types{"MX", "A", "AAAA"};
  return types;
}

// Mail exchangers of a domain: the best, and those that stand in for them.
struct Exchangers {
  std::vector<std::string> best, others;
};

Exchangers exchangers_in(const std::vector<std::string>& records) {
  std::vector<std::pair<std::int64_t, std::string>> all;
  std::int64_t least = 65535;
  for (const std::string& record : records) {
    const std::int64_t preference =
        parse_number(record.substr(0, record.find(' '))).value_or(65535);
    least = std::min(least, preference);
    all.emplace_back(preference, host_in(record));
  }
  Exchangers out;
  for (auto& [preference, host] : all)
    (preference == least ? out.best : out.others).push_back(std::move(host));
  return out;
}

}  // namespace

// Does the name have records of any of the types? Asked in order, until one
// does.
Task<Access::Found> Access::find_any(std::string name,
                                     std::vector<std::string> types) {
  if (!all_ascii(name)) {
    Result<std::string> ascii = mail::domain_to_ascii(name);
    if (ascii) name = std::move(*ascii);
  }
  Found found = Found::no;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const ipc::DnsAnswer answer = co_await questions_.dns(name, types[i]);
    if (answer.status == "ok") {
      const bool refuses_mail = types[i] == "MX" &&
                                answer.records.size() == 1 &&
                                host_in(answer.records[0]).empty();
      co_return refuses_mail ? Found::null_mx : Found::yes;
    }
    if (answer.status == "malformed") co_return Found::malformed;
    if (answer.status == "servfail" || answer.status == "timeout")
      found = Found::later;
  }
  co_return found;
}

Task<Access::Outcome> Access::ask_names(const Restriction* restriction,
                                        Subject subject) {
  switch (restriction->check) {
    case Check::reject_unknown_helo_hostname:
      if (!facts_.helo) co_return Outcome::go_on;
      if (facts_.helo->starts_with('['))
        co_return settle(
            judge_helo_syntax(*facts_.helo, settings_->invalid_hostname_code));
      co_return co_await unknown_helo();
    case Check::reject_unknown_sender_domain:
      if (!facts_.sender || facts_.sender->empty()) co_return Outcome::go_on;
      co_return co_await unknown_domain(*facts_.sender, true);
    case Check::reject_unknown_recipient_domain:
      if (!facts_.recipient) co_return Outcome::go_on;
      co_return co_await unknown_domain(*facts_.recipient, false);
    case Check::reject_unknown_address: {
      // The old name for both: by the list it stands in.
      const bool as_sender = subject.table_check == Check::check_sender_access;
      const std::optional<std::string>& address =
          as_sender ? facts_.sender : facts_.recipient;
      if (!address || address->empty()) co_return Outcome::go_on;
      co_return co_await unknown_domain(*address, as_sender);
    }
    default:
      co_return co_await mx_backup();
  }
}

Task<Access::Outcome> Access::unknown_helo() {
  const std::string name = *facts_.helo;
  const Found found = co_await find_any(name, types_of_hosts());
  if (found == Found::yes || found == Found::null_mx)
    co_return Outcome::go_on;
  const bool malformed = found == Found::malformed;
  std::string text =
      fmt::format("<{}>: Helo command rejected: {}", name,
                  malformed ? "Malformed DNS server reply" : "Host not found");
  if (found == Found::later)
    co_return refuse_later(settings_->defer_unknown_helo, Fault::policy, 450,
                           "4.7.1", std::move(text));
  co_return refuse(Fault::policy, settings_->unknown_hostname_code, "4.7.1",
                   std::move(text));
}

// Can mail be sent to the domain? Our own need no proof.
Task<Access::Outcome> Access::unknown_domain(std::string address,
                                             bool as_sender) {
  const std::string from = as_sender ? "" : facts_.sender.value_or("");
  Result<route::Resolved> resolved =
      co_await questions_.resolve(from, address);
  if (!resolved) {
    log_.warning(std::string_view(resolved.trouble().text));
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", address));
  }
  const std::string domain(
      mail::split_address(resolved->recipient).domain);
  if (domain.empty() || is_final(*resolved) || is_literal(domain))
    co_return Outcome::go_on;
  const Found found = co_await find_any(domain, types_of_domains());
  if (found == Found::yes) co_return Outcome::go_on;
  const char* kind = as_sender ? "Sender address" : "Recipient address";
  if (found == Found::null_mx)
    co_return refuse(
        Fault::policy, as_sender ? 550 : 556, as_sender ? "5.7.27" : "5.1.10",
        fmt::format("<{}>: {} rejected: Domain {} does not accept mail "
                    "(nullMX)", address, kind, domain));
  const char* status = as_sender ? "4.1.8" : "4.1.2";
  std::string text = fmt::format(
      "<{}>: {} rejected: {}", address, kind,
      found == Found::malformed ? "Malformed DNS server reply"
                                : "Domain not found");
  if (found == Found::later)
    co_return refuse_later(settings_->defer_unknown_address, Fault::policy,
                           450, status, std::move(text));
  co_return refuse(Fault::policy, settings_->unknown_address_code, status,
                   std::move(text));
}

// By what was found when the client came. "cannot find your hostname": the
// address has no name, or the name has other addresses.
Access::Outcome Access::unknown_client(Check check) {
  const Client& client = facts_.client;
  const bool reverse = check == Check::reject_unknown_reverse_client_hostname;
  const bool forward = check == Check::reject_unknown_forward_client_hostname;
  const char code = reverse ? client.reverse_code : client.name_code;
  if (code == '2') return Outcome::go_on;
  // The name has addresses; that this is none of them is not asked here.
  if (forward && (client.reverse_code != '2' || code == '6'))
    return Outcome::go_on;
  const char* what = reverse   ? "your reverse hostname"
                     : forward ? "the address of your hostname"
                               : "your hostname";
  return refuse(Fault::policy,
                code == '4' ? 450 : settings_->unknown_client_code,
                reverse ? "4.7.1" : "4.7.25",
                fmt::format("Client host rejected: cannot find {}, [{}]", what,
                            client.address));
}

// Are we a mail exchanger of the recipient's domain, and is one of its best in
// permit_mx_backup_networks? What is ours is permitted too.
Task<Access::Outcome> Access::mx_backup() {
  if (!facts_.recipient) co_return Outcome::go_on;
  const std::string recipient = *facts_.recipient;
  Result<route::Resolved> resolved =
      co_await questions_.resolve(facts_.sender.value_or(""), recipient);
  if (!resolved) {
    log_.warning(std::string_view(resolved.trouble().text));
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", recipient));
  }
  if (resolved->routed && !settings_->allow_untrusted_routing)
    co_return Outcome::go_on;
  if (resolved->address_class != route::AddressClass::other)
    co_return Outcome::permit;
  std::string domain(mail::split_address(resolved->recipient).domain);
  if (domain.empty() || is_literal(domain)) co_return Outcome::go_on;
  const ipc::DnsAnswer answer =
      co_await questions_.dns(std::move(domain), "MX");
  if (answer.status == "servfail" || answer.status == "timeout") {
    const std::string text = fmt::format(
        "<{}>: Recipient address rejected: Unable to look up mail exchanger "
        "information", recipient);
    if (!if_reject_)
      if_reject_ = Deferral{Fault::policy, 450, "4.4.4", text};
    co_return Outcome::go_on;
  }
  Exchangers exchangers = exchangers_in(answer.records);
  bool backup = false;
  for (std::size_t i = 0; i < exchangers.others.size() && !backup; ++i) {
    backup = co_await is_this_host(exchangers.others[i]);
  }
  if (!backup) co_return Outcome::go_on;
  if (!settings_->backup_networks.empty()) {
    const bool inside =
        co_await in_backup_networks(std::move(exchangers.best));
    if (!inside) co_return Outcome::go_on;
  }
  co_return Outcome::permit;
}

Task<bool> Access::is_this_host(std::string name) {
  if (equal_nocase(name, settings_->myhostname)) co_return true;
  const ipc::MailHostsAnswer found = co_await questions_.host(name);
  for (std::size_t i = 0; i < found.addresses.size(); ++i) {
    const std::string& address = found.addresses[i].address;
    for (const std::string& own : settings_->own_addresses)
      if (own == address) co_return true;
    const bool proxied =
        co_await matches(&settings_->proxy_addresses, "", address);
    if (proxied) co_return true;
  }
  co_return false;
}

// All addresses of all hosts are in the networks, and there are some.
Task<bool> Access::in_backup_networks(std::vector<std::string> hosts) {
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const ipc::MailHostsAnswer found = co_await questions_.host(hosts[i]);
    if (found.addresses.empty()) co_return false;
    for (std::size_t j = 0; j < found.addresses.size(); ++j) {
      const bool inside = co_await matches(&settings_->backup_networks,
                                           hosts[i],
                                           found.addresses[j].address);
      if (!inside) co_return false;
    }
  }
  co_return true;
}

}  // namespace postern::access
