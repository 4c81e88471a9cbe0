// Lists in the domain name system: a name or a reversed address below the
// list's own name has an A record (RFC 5782). A list that does not answer
// refuses nobody, and welcomes nobody for good.
#include <fmt/format.h>

#include <algorithm>

#include "common/access/access.h"
#include "common/access/address_filter.h"
#include "common/access/replies.h"
#include "common/base/text.h"
#include "common/dns/names.h"
#include "common/mail/address.h"
#include "common/mail/status.h"

namespace postern::access {
namespace {

// "1.2.0.192" of 192.0.2.1; IPv6 by its nibbles.
std::string reversed(const std::string& address) {
  std::string name = dns::reverse_name(address).value_or("");
  for (const std::string_view tree : {".in-addr.arpa", ".ip6.arpa"})
    if (name.ends_with(tree)) name.resize(name.size() - tree.size());
  return name;
}

// What a list of domains is asked for: nothing where it would be an address,
// which such lists do not answer.
std::string domain_in(const std::string& text) {
  const mail::AddressParts parts = mail::split_address(text);
  std::string domain(parts.has_at ? parts.domain : std::string_view(text));
  if (domain.empty() || domain[0] == '[') return "";
  const std::string last = domain.substr(domain.rfind('.') + 1);
  if (last.find_first_not_of("0123456789") == std::string::npos) return "";
  return domain;
}

std::string name_of_list(const std::string& domain) {
  return domain.substr(0, domain.find('='));
}

bool welcomes(Check check) {
  return check == Check::permit_dnswl_client ||
         check == Check::permit_rhswl_client;
}

}  // namespace

Task<Access::Outcome> Access::dns_list(const Restriction* restriction) {
  const Check check = restriction->check;
  const bool by_address = check == Check::permit_dnswl_client ||
                          check == Check::reject_rbl_client;
  const std::string what = by_address ? facts_.client.address
                                      : text_of(restriction->party);
  std::string question = by_address ? reversed(what) : domain_in(what);
  if (question.empty()) co_return Outcome::go_on;
  const char* kind = subject_of(restriction->party).kind;
  if (welcomes(check)) {
    co_return co_await welcome_list(restriction->argument,
                                    std::move(question), what, kind);
  }
  co_return co_await deny_list(restriction->argument, std::move(question),
                               what, kind);
}

// reject_maps_rbl: the lists of maps_rbl_domains, one after the other.
Task<Access::Outcome> Access::old_lists() {
  log_.warning("restriction \"reject_maps_rbl\" is an old name; use "
               "\"reject_rbl_client domain-name\" instead");
  const std::string question = reversed(facts_.client.address);
  for (std::size_t i = 0; i < settings_->old_rbl_domains.size(); ++i) {
    if (question.empty()) break;
    const Outcome outcome =
        co_await deny_list(settings_->old_rbl_domains[i], question,
                           facts_.client.address, "Client host");
    if (outcome != Outcome::go_on) co_return outcome;
  }
  co_return Outcome::go_on;
}

// Asks the list; `domain` may have a filter of answers behind it.
Task<Access::Listing> Access::look_up(std::string question,
                                      std::string domain) {
  Listing listing;
  std::optional<AddressFilter> filter;
  if (const std::size_t equals = domain.find('='); equals != std::string::npos) {
    Result<AddressFilter> parsed =
        AddressFilter::parse(std::string_view(domain).substr(equals + 1));
    if (!parsed) {
      log_.warning("{}: {}", domain, parsed.trouble().text);
      co_return std::move(listing);
    }
    filter = std::move(*parsed);
  }
  const std::string name = question + "." + name_of_list(domain);
  const ipc::DnsAnswer answer = co_await questions_.dns(name, "A");
  if (answer.status == "servfail" || answer.status == "timeout") {
    log_.warning("{}: RBL lookup error: {}", name, answer.text);
    listing.unsure = true;
    co_return std::move(listing);
  }
  listing.listed = std::any_of(
      answer.records.begin(), answer.records.end(),
      [&](const std::string& a) { return !filter || filter->matches(a); });
  co_return std::move(listing);
}

Task<Access::Outcome> Access::deny_list(std::string domain,
                                        std::string question, std::string what,
                                        const char* kind) {
  const std::string name = question + "." + name_of_list(domain);
  const Listing listing = co_await look_up(std::move(question), domain);
  if (!listing.listed) co_return Outcome::go_on;
  const ipc::DnsAnswer reason = co_await questions_.dns(name, "TXT");
  std::optional<std::string> own;
  if (!settings_->rbl_reply_maps.empty()) {
    ipc::TableFind asked;
    asked.maps = settings_->rbl_reply_maps;
    asked.keys.push_back(domain);
    Result<ipc::TableAnswer> answer =
        co_await questions_.find(std::move(asked));
    if (!answer || answer->trouble.present) {
      log_.warning("{}: table lookup problem: {}", settings_->rbl_reply_maps,
                   answer ? answer->trouble.text : answer.trouble().text);
      co_return misconfigured();
    }
    if (answer->found) own = std::move(answer->value);
  }
  co_return refuse_listed(
      domain, what, kind,
      reason.records.empty() ? std::string() : reason.records.front(), own);
}

// The reply is made from a template that must be a reply itself.
Access::Outcome Access::refuse_listed(const std::string& domain,
                                      const std::string& what,
                                      const char* kind,
                                      const std::string& reason,
                                      std::optional<std::string> own_template) {
  const std::string name = name_of_list(domain);
  const NameValue value = [&](std::string_view asked) -> std::string {
    if (asked == "rbl_code") return std::to_string(settings_->rbl_code);
    if (asked == "rbl_domain") return name;
    if (asked == "rbl_reason" || asked == "rbl_txt") return reason;
    if (asked == "rbl_what") return what;
    if (asked == "rbl_class") return kind;
    return value_of(asked);
  };
  Result<std::string> text =
      expand_names(own_template.value_or(settings_->rbl_reply), value,
                   settings_->expansion_filter);
  if (!text && own_template) {
    log_.warning("bad rbl reply template for domain {}: {}", domain,
                 text.trouble().text);
    text = expand_names(settings_->rbl_reply, value,
                        settings_->expansion_filter);
  }
  const std::string line = text ? *text : text.trouble().text;
  const bool is_reply = line.size() > 4 && (line[0] == '4' || line[0] == '5') &&
                        is_digit(line[1]) && is_digit(line[2]) &&
                        line[3] == ' ';
  if (!is_reply) {
    log_.warning("rbl response code configuration error: {}", line);
    return refuse(Fault::policy, 450, "4.7.1", "Service unavailable");
  }
  const mail::StatusText parts =
      mail::split_status(trim_left(line.substr(4)), "4.7.1");
  const auto code =
      static_cast<int>(parse_number(line.substr(0, 3)).value_or(450));
  return refuse(Fault::policy, code, parts.status,
                parts.text.empty() ? "Service unavailable" : parts.text);
}

// Nobody becomes a relay for being on a list.
Task<bool> Access::may_be_welcomed() {
  if (facts_.where != "RCPT" || !facts_.recipient) co_return true;
  const Outcome own = co_await destination(Check::permit_auth_destination);
  co_return own == Outcome::permit;
}

Task<Access::Outcome> Access::welcome_list(std::string domain,
                                           std::string question,
                                           std::string what,
                                           const char* kind) {
  const bool may = co_await may_be_welcomed();
  if (!may) co_return Outcome::go_on;
  const Listing listing =
      co_await look_up(std::move(question), std::move(domain));
  if (listing.listed) co_return Outcome::permit;
  if (listing.unsure && !if_reject_)
    if_reject_ = Deferral{Fault::policy, 450, "4.7.1",
                          fmt::format("<{}>: {} rejected: Service unavailable",
                                      what, kind)};
  co_return Outcome::go_on;
}

}  // namespace postern::access
