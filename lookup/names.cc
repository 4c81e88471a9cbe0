#include "lookup/names.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "lookup/client_name.h"

namespace postern::lookup {
namespace {

constexpr std::size_t most_exchangers = 50;

std::vector<dns::Type> types_of(dns::Families families) {
  std::vector<dns::Type> types;
  if (dns::includes(families, AF_INET)) types.push_back(dns::Type::a);
  if (dns::includes(families, AF_INET6)) types.push_back(dns::Type::aaaa);
  return types;
}

bool may_pass(dns::Outcome outcome) {
  return outcome == dns::Outcome::servfail || outcome == dns::Outcome::timeout;
}

// Which of two failures to tell: one that may pass, or else the later.
bool tells_more(dns::Outcome later, const std::optional<Trouble>& earlier) {
  return !earlier || may_pass(later) || !earlier->temporary();
}

// An answer that is forged, or unsigned where it should not be, has a reason
// that the operator can act on.
Trouble explain(Trouble trouble, const dns::Answer& answer) {
  if (!answer.fault.empty()) trouble.text += " (" + answer.fault + ")";
  return trouble;
}

}  // namespace

bool is_null_mx(const std::vector<dns::Record>& records) {
  return records.size() == 1 && records[0].value.empty();
}

std::vector<dns::Record> usable_exchangers(std::string_view domain,
                                           std::vector<dns::Record> records,
                                           std::vector<std::string>& faults) {
  std::vector<dns::Record> usable;
  for (dns::Record& record : records) {
    if (mail::valid_hostname(record.value) ||
        mail::valid_hostaddr(record.value))
      usable.push_back(std::move(record));
    else
      faults.push_back(fmt::format(
          "malformed domain name in resource data of MX record for {}: {}",
          domain, record.value));
  }
  std::stable_sort(usable.begin(), usable.end(),
                   [](const dns::Record& a, const dns::Record& b) {
                     return a.preference < b.preference;
                   });
  if (usable.size() > most_exchangers) usable.resize(most_exchangers);
  return usable;
}

Names::Names(dns::Resolver& resolver, Options options)
    : resolver_(resolver),
      options_(std::move(options)),
      hosts_(options_.hosts_file) {}

Task<Names::Addresses> Names::from_dns(std::string host, dns::Families families,
                                       dns::Proof proof) {
  Addresses found;
  for (const dns::Type type : types_of(families)) {
    dns::Answer answer =
        co_await resolver_.find(host, type, options_.limit, proof);
    for (dns::Record& record : answer.records) {
      found.list.push_back(std::move(record.value));
      found.secure.push_back(answer.secure);
      found.canonical = record.owner;
    }
    if (answer.ok()) continue;
    if (tells_more(answer.outcome, found.trouble)) {
      found.trouble = explain(dns::trouble(host, type, answer.outcome), answer);
      found.outcome = answer.outcome;
    }
    // No such name: it has no addresses of the other family either.
    if (answer.outcome == dns::Outcome::nxdomain) break;
  }
  if (!found.list.empty()) {
    found.trouble.reset();
    found.outcome = dns::Outcome::ok;
  }
  co_return std::move(found);
}

// As getaddrinfo(3) does with "hosts: files dns".
Task<Names::Addresses> Names::from_system(std::string host,
                                          dns::Families families,
                                          bool asked_dns) {
  Addresses found;
  found.list = hosts_.current().addresses(host, families);
  if (!found.list.empty()) co_return std::move(found);
  found.outcome = dns::Outcome::nxdomain;
  if (!asked_dns) {
    found = co_await from_dns(host, families, dns::Proof::none);
  }
  if (!found.list.empty()) co_return std::move(found);
  std::string text = fmt::format("unable to look up host {}: {}", host,
                                 system_words(found.outcome));
  found.trouble = may_pass(found.outcome) ? try_later("4.3", std::move(text))
                                          : give_up("4.4", std::move(text));
  co_return std::move(found);
}

Task<Names::Addresses> Names::addresses_of(std::string host, Sources sources) {
  Addresses found;
  if (const int family = dns::family_of(host);
      family != 0 && dns::includes(options_.families, family)) {
    found.list.push_back(host);
    co_return std::move(found);
  }
  if (!mail::valid_hostname(host)) {
    found.outcome = dns::Outcome::bad_name;
    found.trouble = dns::trouble(host, dns::Type::a, found.outcome);
    co_return std::move(found);
  }
  if (sources.dns) {
    found = co_await from_dns(host, options_.families, sources.proof);
    const bool settled =
        !found.trouble || found.trouble->temporary() || !sources.native;
    if (settled) co_return std::move(found);
  }
  found = co_await from_system(host, options_.families, sources.dns);
  co_return std::move(found);
}

void Names::add_addresses(Addresses& found, const std::string& host,
                          std::int64_t preference,
                          ipc::MailHostsAnswer& answer) {
  for (std::size_t i = 0; i < found.list.size(); ++i) {
    ipc::HostAddress one;
    one.host = host;
    one.address = std::move(found.list[i]);
    one.preference = preference;
    one.canonical = found.canonical.empty() ? host : found.canonical;
    one.secure = i < found.secure.size() && found.secure[i];
    answer.addresses.push_back(std::move(one));
  }
}

// Addresses of several hosts, asked for at the same time.
struct Names::Gathering {
  std::vector<dns::Record> hosts;
  std::vector<Addresses> found;
  std::size_t left = 0;
  Promised<bool> done;
};

Task<void> Names::gather_one(Gathering* gathering, std::size_t index,
                             Sources from) {
  std::string host = gathering->hosts[index].value;
  Addresses found = co_await addresses_of(std::move(host), from);
  gathering->found[index] = std::move(found);
  if (--gathering->left == 0) gathering->done.set(true);
}

Task<ipc::MailHostsAnswer> Names::mail_exchangers(
    std::string domain, std::vector<dns::Record> records, Sources sources) {
  ipc::MailHostsAnswer answer;
  answer.used_mx = true;
  Gathering gathering;
  std::vector<std::string> faults;
  gathering.hosts = usable_exchangers(domain, std::move(records), faults);
  const std::size_t count = gathering.hosts.size();
  if (count == 0) {
    answer.trouble = ipc::TroubleWire::from(give_up("4.4", faults.front()));
    co_return std::move(answer);
  }
  gathering.found.resize(count);
  gathering.left = count;
  Nursery tasks;
  for (std::size_t i = 0; i < count; ++i)
    tasks.start(gather_one(&gathering, i, sources));
  const Millis limit = 3 * options_.limit;
  co_await gathering.done.wait(limit);
  std::optional<Trouble> trouble;
  for (std::size_t i = 0; i < count; ++i) {
    const dns::Record& host = gathering.hosts[i];
    add_addresses(gathering.found[i], host.value, host.preference, answer);
    if (gathering.found[i].trouble &&
        tells_more(gathering.found[i].outcome, trouble))
      trouble = gathering.found[i].trouble;
  }
  if (answer.addresses.empty() && !trouble)
    trouble = dns::trouble(domain, dns::Type::mx, dns::Outcome::timeout);
  if (answer.addresses.empty())
    answer.trouble = ipc::TroubleWire::from(*trouble);
  co_return std::move(answer);
}

Task<ipc::MailHostsAnswer> Names::host_itself(std::string domain,
                                              Sources sources) {
  ipc::MailHostsAnswer answer;
  Addresses found = co_await addresses_of(domain, sources);
  add_addresses(found, domain, 0, answer);
  if (found.trouble) answer.trouble = ipc::TroubleWire::from(*found.trouble);
  co_return std::move(answer);
}

Task<ipc::MailHostsAnswer> Names::mail_hosts(ipc::MailHostsFind question) {
  std::string domain = question.domain;
  if (!all_ascii(domain)) {
    Result<std::string> ascii = mail::domain_to_ascii(domain);
    if (ascii) domain = std::move(*ascii);
  }
  Sources sources;
  sources.dns = question.dns;
  sources.native = question.native || !question.dns;
  if (question.dnssec) sources.proof = dns::Proof::dnssec;
  const bool ask_mx =
      question.use_mx && question.dns && mail::valid_hostname(domain);
  ipc::MailHostsAnswer answer;
  if (ask_mx) {
    dns::Answer found =
        co_await resolver_.find(domain, dns::Type::mx, options_.limit,
                                sources.proof);
    if (found.ok() && is_null_mx(found.records)) {
      answer.null_mx = true;
      answer.trouble = ipc::TroubleWire::from(give_up(
          "1.0",
          fmt::format("Domain {} does not accept mail (nullMX)", domain)));
      co_return std::move(answer);
    }
    if (found.ok()) {
      std::string canonical = found.records.front().owner;
      answer =
          co_await mail_exchangers(domain, std::move(found.records), sources);
      answer.canonical = std::move(canonical);
      answer.secure = found.secure;
      co_return std::move(answer);
    }
    const bool no_such_record = found.outcome == dns::Outcome::nxdomain ||
                                found.outcome == dns::Outcome::nodata;
    if (!no_such_record) {
      answer.trouble = ipc::TroubleWire::from(
          explain(dns::trouble(domain, dns::Type::mx, found.outcome), found));
      co_return std::move(answer);
    }
  }
  answer = co_await host_itself(domain, sources);
  co_return std::move(answer);
}

Task<ipc::ClientNameAnswer> Names::client_name(std::string address) {
  const std::optional<std::string> reverse = dns::reverse_name(address);
  if (!reverse) co_return judge_reverse("", dns::Outcome::bad_name);
  const std::optional<std::string> listed = hosts_.current().name_of(address);
  ipc::ClientNameAnswer answer;
  if (listed) {
    answer = judge_reverse(*listed, dns::Outcome::ok);
  } else {
    std::string question = *reverse;
    dns::Answer found = co_await resolver_.find(std::move(question),
                                                dns::Type::ptr, options_.limit);
    answer = judge_reverse(found.ok() ? found.records.front().value : "",
                           found.outcome);
  }
  if (answer.reverse_code != static_cast<std::int64_t>(NameCode::ok))
    co_return std::move(answer);
  const dns::Families family = dns::family_of(address) == AF_INET
                                   ? dns::Families::v4
                                   : dns::Families::v6;
  std::string name = answer.reverse_name;
  Addresses found = co_await from_system(std::move(name), family, false);
  co_return judge_forward(
      std::move(answer), address, found.list,
      found.list.empty() ? found.outcome : dns::Outcome::ok);
}

Task<ipc::DnsAnswer> Names::records(ipc::DnsFind question) {
  ipc::DnsAnswer answer;
  const std::optional<dns::Type> type = dns::type_from(question.type);
  if (!type) {
    answer.status = "servfail";
    answer.text = "DNS questions of type " + question.type +
                  " are not among those that can be asked";
    co_return std::move(answer);
  }
  std::string name = question.name;
  const dns::Proof proof =
      question.dnssec ? dns::Proof::dnssec : dns::Proof::none;
  dns::Answer found =
      co_await resolver_.find(std::move(name), *type, options_.limit, proof);
  answer.status = dns::name_of(found.outcome);
  answer.secure = found.secure;
  for (const dns::Record& record : found.records)
    answer.records.push_back(record.presentation());
  if (!found.ok()) answer.text = dns::why(question.name, *type, found.outcome);
  if (!found.fault.empty()) answer.text += " (" + found.fault + ")";
  co_return std::move(answer);
}

Task<ipc::DnsListAnswer> Names::list(ipc::DnsListFind question) {
  std::string name = question.name;
  const dns::Answer found = co_await resolver_.find(
      std::move(name), dns::Type::a, options_.limit, dns::Proof::none);
  ipc::DnsListAnswer answer;
  answer.status = dns::name_of(found.outcome);
  for (const dns::Record& record : found.records) {
    answer.records.push_back(record.value);
    const std::int64_t ttl = record.ttl;
    answer.ttl = answer.ttl < 0 ? ttl : std::min(answer.ttl, ttl);
  }
  if (!found.ok())
    answer.text = dns::why(question.name, dns::Type::a, found.outcome);
  co_return std::move(answer);
}

}  // namespace postern::lookup
