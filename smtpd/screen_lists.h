// DNS lists of the screen (postscreen_dnsbl_sites): which lists, which of their
// answers count, and what the answers add up to. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/access/address_filter.h"

namespace postern::smtpd {

// "domain=filter*weight".
struct DnsSite {
  std::string domain;
  std::optional<access::AddressFilter> filter;
  std::int64_t weight = 1;
};

// Entries that cannot be read are left out; `problems` says why.
std::vector<DnsSite> parse_dns_sites(std::string_view text,
                                     std::vector<std::string>* problems);

// Each domain once, in order: one question serves all entries of a domain.
std::vector<std::string> domains_of(const std::vector<DnsSite>& sites);

struct Ranking {
  std::int64_t score = 0;
  // The list with the greatest weight among those that added to the score:
  // the one that a refusal names.
  std::string blamed;
  std::int64_t blame = 0;
  // The shortest time that one of the answers holds, in seconds.
  std::optional<std::int64_t> ttl;
};

// Adds the answer of one domain (its A records; none: not listed) to the
// ranking, at most once for each entry. `ttl` below 0: not known.
void count_answer(const std::vector<DnsSite>& sites, const std::string& domain,
                  const std::vector<std::string>& records, std::int64_t ttl,
                  Ranking* ranking);

}  // namespace postern::smtpd
