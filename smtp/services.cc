#include "smtp/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::smtp {
namespace {

constexpr std::size_t most_hosts = 20;

Trouble not_offered(const NextHop& hop) {
  return give_up("4.4", fmt::format("{} does not offer the service \"{}\"",
                                    hop.name, hop.service));
}

}  // namespace

std::optional<ServiceRecord> parse_service(std::string_view text) {
  const std::vector<std::string> words = split_words(text);
  if (words.size() != 4) return std::nullopt;
  const auto priority = parse_number(words[0]);
  const auto weight = parse_number(words[1]);
  const auto port = parse_number(words[2]);
  const auto fits = [](const std::optional<std::int64_t>& number) {
    return number && *number >= 0 && *number <= 65535;
  };
  if (!fits(priority) || !fits(weight) || !fits(port)) return std::nullopt;
  ServiceRecord record{*priority, *weight, static_cast<int>(*port), words[3]};
  if (record.host.ends_with('.')) record.host.pop_back();
  if (!record.host.empty() &&
      (record.port == 0 || !mail::valid_hostname(record.host)))
    return std::nullopt;
  return record;
}

std::vector<ServiceRecord> in_order(std::vector<ServiceRecord> records,
                                    const Dice& dice) {
  // Those without weight come first, so that they have a chance at all.
  std::stable_sort(records.begin(), records.end(),
                   [](const ServiceRecord& a, const ServiceRecord& b) {
                     if (a.priority != b.priority)
                       return a.priority < b.priority;
                     return a.weight == 0 && b.weight != 0;
                   });
  for (auto next = records.begin(); next != records.end(); ++next) {
    const auto end = std::find_if(next, records.end(), [&](const auto& each) {
      return each.priority != next->priority;
    });
    const std::int64_t tickets = std::accumulate(
        next, end, std::int64_t{0},
        [](std::int64_t sum, const auto& each) { return sum + each.weight; });
    auto drawn =
        static_cast<std::int64_t>(dice(static_cast<std::size_t>(tickets) + 1));
    auto winner = next;
    while (winner->weight < drawn) drawn -= (winner++)->weight;
    std::rotate(next, winner, winner + 1);
  }
  return records;
}

bool by_service(const NextHop& hop, const Settings& settings) {
  const std::vector<std::string>& all = settings.srv_services;
  return hop.kind == NextHop::Kind::domain &&
         std::find(all.begin(), all.end(), to_lower(hop.service)) != all.end();
}

Task<Result<Routes>> find_service(NextHop hop, const Settings& settings,
                                  Resolver& resolver, bool* fall_back) {
  ipc::DnsFind question;
  question.name = "_" + to_lower(hop.service) + "._tcp." + hop.name;
  question.type = "SRV";
  question.dnssec = settings.use_dnssec;
  Result<ipc::DnsAnswer> answer =
      co_await resolver.records(std::move(question));
  if (!answer) co_return answer.trouble();
  const bool none = answer->status == "nxdomain" || answer->status == "nodata";
  if (answer->status != "ok") {
    *fall_back = none ? settings.srv_fallback : settings.ignore_srv_error;
    if (none) co_return give_up("4.4", answer->text);
    co_return try_later("4.3", answer->text);
  }
  std::vector<ServiceRecord> records;
  for (const std::string& text : answer->records)
    if (std::optional<ServiceRecord> record = parse_service(text))
      records.push_back(std::move(*record));
  if (records.size() == 1 && records.front().host.empty())
    co_return not_offered(hop);
  std::erase_if(records, [](const auto& each) { return each.host.empty(); });
  records = in_order(std::move(records), fair_dice);
  if (records.size() > most_hosts) records.resize(most_hosts);
  Routes routes;
  std::optional<Trouble> trouble;
  for (std::size_t i = 0; i < records.size(); ++i) {
    NextHop host;
    host.kind = NextHop::Kind::host;
    host.name = records[i].host;
    host.port = records[i].port;
    std::string notice;
    Result<Routes> found =
        co_await find_routes(std::move(host), settings, resolver, notice);
    if (!found) {
      if (!trouble || !trouble->temporary()) trouble = found.trouble();
      continue;
    }
    for (Target& target : found->targets) {
      target.best_mx = records[i].priority == records.front().priority;
      // As with MX records: what is not signed leads to no DANE.
      target.by_mx = true;
      target.mx_secure = answer->secure;
      target.mx_canonical = hop.name;
      routes.targets.push_back(std::move(target));
    }
  }
  if (!routes.targets.empty()) co_return std::move(routes);
  if (!trouble)
    trouble = give_up("4.4", fmt::format("no usable SRV record for {}",
                                         hop.name));
  co_return *trouble;
}

}  // namespace postern::smtp
