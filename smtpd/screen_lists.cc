#include "smtpd/screen_lists.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::smtpd {
namespace {

constexpr std::int64_t greatest_weight = 1'000'000;

Result<DnsSite> parse_site(std::string_view text) {
  DnsSite site;
  if (const std::size_t star = text.rfind('*');
      star != std::string_view::npos) {
    std::string_view number = text.substr(star + 1);
    const bool negative = number.starts_with('-');
    if (negative || number.starts_with('+')) number.remove_prefix(1);
    const auto weight = parse_number(number);
    if (!weight || *weight < 0 || *weight > greatest_weight)
      return give_up("3.5", fmt::format("bad weight \"{}\": expected a number",
                                        text.substr(star + 1)));
    site.weight = negative ? -*weight : *weight;
    text = text.substr(0, star);
  }
  if (const std::size_t equals = text.find('=');
      equals != std::string_view::npos) {
    Result<access::AddressFilter> filter =
        access::AddressFilter::parse(text.substr(equals + 1));
    if (!filter) return filter.trouble();
    site.filter = std::move(*filter);
    text = text.substr(0, equals);
  }
  site.domain = to_lower(text);
  if (site.domain.ends_with('.')) site.domain.pop_back();
  if (!mail::valid_hostname(site.domain))
    return give_up("3.5",
                   fmt::format("bad domain name \"{}\"", printable(text)));
  return site;
}

}  // namespace

std::vector<DnsSite> parse_dns_sites(std::string_view text,
                                     std::vector<std::string>* problems) {
  std::vector<DnsSite> sites;
  for (const std::string& word : split_words(text)) {
    Result<DnsSite> site = parse_site(word);
    if (site) sites.push_back(std::move(*site));
    else if (problems != nullptr)
      problems->push_back(
          fmt::format("{}: {}; the entry is left out", printable(word),
                      site.trouble().text));
  }
  return sites;
}

std::vector<std::string> domains_of(const std::vector<DnsSite>& sites) {
  std::vector<std::string> domains;
  for (const DnsSite& site : sites)
    if (std::find(domains.begin(), domains.end(), site.domain) ==
        domains.end())
      domains.push_back(site.domain);
  return domains;
}

void count_answer(const std::vector<DnsSite>& sites, const std::string& domain,
                  const std::vector<std::string>& records, std::int64_t ttl,
                  Ranking* ranking) {
  if (ttl >= 0) ranking->ttl = std::min(ranking->ttl.value_or(ttl), ttl);
  for (const DnsSite& site : sites) {
    if (site.domain != domain) continue;
    const bool listed =
        std::any_of(records.begin(), records.end(), [&](const std::string& a) {
          return !site.filter || site.filter->matches(a);
        });
    if (!listed) continue;
    ranking->score += site.weight;
    if (site.weight <= ranking->blame) continue;
    ranking->blame = site.weight;
    ranking->blamed = domain;
  }
}

}  // namespace postern::smtpd
