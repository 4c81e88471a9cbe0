#include "smtp/tls_planner.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::smtp {
namespace {

// "inet:host" and "unix:path" of LMTP are looked up without their type.
std::string table_key(const std::string& site) {
  const std::size_t colon = site.find(':');
  const std::string_view type = std::string_view(site).substr(0, colon);
  if (type == "inet" || type == "unix") return site.substr(colon + 1);
  return site;
}

// The name in which certificates are checked.
std::string domain_of(const std::string& site, const Settings& settings) {
  const Result<NextHop> hop = parse_next_hop(site, settings);
  if (!hop || hop->kind == NextHop::Kind::socket) return settings.myhostname;
  if (all_ascii(hop->name)) return hop->name;
  const Result<std::string> ascii = mail::domain_to_ascii(hop->name);
  return ascii ? *ascii : hop->name;
}

Task<Result<std::optional<PolicyLine>>> find_line(const Surroundings* around,
                                                  std::string site) {
  const Settings& settings = around->settings;
  const std::string_view parameter =
      settings.lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps";
  std::optional<PolicyLine> none;
  if (settings.tls.policy_maps.empty()) co_return std::move(none);
  const std::string key = table_key(site);
  ipc::TableFind question;
  question.maps = settings.tls.policy_maps;
  question.keys = policy_keys(key);
  question.partial_from = static_cast<std::int64_t>(question.keys.size());
  Result<ipc::TableAnswer> found =
      co_await around->resolver.table(std::move(question));
  if (!found) {
    around->log.warning("{}, next-hop destination \"{}\": lookup error: {}",
                        parameter, key, found.trouble().text);
    co_return try_later("3.0", "Temporary lookup error");
  }
  if (!found->found) co_return std::move(none);
  const std::string where =
      fmt::format("{}, next-hop destination \"{}\"", parameter, key);
  std::vector<std::string> notices;
  Result<PolicyLine> line = parse_policy_line(found->value, where, notices);
  for (const std::string& notice : notices) around->log.warning(notice);
  if (!line) {
    around->log.warning(line.trouble().text);
    co_return try_later("7.5", "client TLS configuration problem");
  }
  std::optional<PolicyLine> out = std::move(*line);
  co_return std::move(out);
}

// Under the name that the host is an alias of, then under the alias (RFC 7672
// 2.2.2).
std::vector<std::string> tlsa_bases(const Target& target) {
  std::vector<std::string> bases;
  if (!target.canonical.empty()) bases.push_back(target.canonical);
  if (bases.empty() || !equal_nocase(bases[0], target.host))
    bases.push_back(target.host);
  return bases;
}

TlsaAnswer read_tlsa(const ipc::DnsAnswer& answer, const std::string& base,
                     const Surroundings& around) {
  TlsaAnswer out;
  out.kind = TlsaAnswer::Kind::none;
  out.base = base;
  const bool absent = answer.status == "nodata" || answer.status == "nxdomain";
  if (answer.status != "ok" && !absent) out.kind = TlsaAnswer::Kind::failed;
  // What is not signed could be anybody's.
  if (answer.status != "ok" || !answer.secure) return out;
  std::vector<Tlsa> records;
  for (const std::string& text : answer.records) {
    const auto record = parse_tlsa(text);
    if (record)
      records.push_back(*record);
    else
      around.log.warning("malformed TLSA record of {}: {}", base,
                         printable(text));
  }
  out.kind = TlsaAnswer::Kind::records;
  out.usable = usable_tlsa(records, around.settings.dane_digests);
  return out;
}

Task<TlsaAnswer> find_tlsa(const Surroundings* around, Target target) {
  TlsaAnswer out;
  for (const std::string& base : tlsa_bases(target)) {
    ipc::DnsFind question;
    question.name = fmt::format("_{}._tcp.{}", target.port, base);
    question.type = "TLSA";
    question.dnssec = true;
    Result<ipc::DnsAnswer> answer =
        co_await around->resolver.records(std::move(question));
    ipc::DnsAnswer unable;
    unable.status = "servfail";
    if (!answer) unable.text = answer.trouble().text;
    out = read_tlsa(answer ? *answer : unable, base, *around);
    if (out.kind == TlsaAnswer::Kind::failed)
      around->log.warning("TLSA lookup of {}: {}", base,
                          answer ? answer->text : unable.text);
    if (out.kind != TlsaAnswer::Kind::none) break;
  }
  co_return std::move(out);
}

}  // namespace

Task<Result<TlsPolicy>> plan_tls(const Surroundings* around, std::string site,
                                 Target target) {
  const TlsSettings& settings = around->settings.tls;
  Result<std::optional<PolicyLine>> line = co_await find_line(around, site);
  if (!line) co_return line.trouble();
  const SitePolicy policy = site_policy(std::move(*line), settings);
  ServerFacts server;
  server.host = target.host;
  server.next_hop = domain_of(site, around->settings);
  server.by_mx = target.by_mx;
  server.mx_secure = target.mx_secure;
  server.mx_canonical = target.mx_canonical;
  server.host_canonical = target.canonical;
  server.host_secure = target.secure;
  server.local_socket = target.local_socket();
  TlsaAnswer tlsa;
  if (wants_tlsa(policy, server, settings)) {
    tlsa = co_await find_tlsa(around, target);
  }
  std::vector<std::string> notices;
  Result<TlsPolicy> out =
      policy_for(policy, server, tlsa, settings, target.port, notices);
  for (const std::string& notice : notices) around->log.warning(notice);
  co_return std::move(out);
}

}  // namespace postern::smtp
