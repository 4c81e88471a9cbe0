#include "tools/explain_questions.h"

#include <fmt/format.h>
#include <netdb.h>

#include <cstring>

#include "common/access/verification.h"
#include "common/base/text.h"
#include "common/loop/connect.h"
#include "common/tables/cache_file.h"

namespace postern::tools {
namespace {

constexpr Millis dns_limit = Seconds(10);

tables::OpenOptions table_options(const config::Config& config,
                                  const log::Log& log,
                                  databases::Opener& databases) {
  tables::OpenOptions options;
  options.other = databases.function();
  options.utf8 = config.get<"smtputf8_enable">();
  options.warn = [log](std::string_view line) { log.warning(line); };
  return options;
}

std::unique_ptr<dns::Resolver> make_resolver(const config::Config& config,
                                             const log::Log& log) {
  dns::ResolverOptions options;
  options.servers = split_words(config.get<"dns_servers">());
  auto resolver = dns::Resolver::make(std::move(options));
  if (!resolver) log.fatal(resolver.trouble().text);
  return std::move(*resolver);
}

const char* words_of(std::int64_t status) {
  switch (status) {
    case ipc::verify_deliverable: return "deliverable";
    case ipc::verify_temporary: return "could not be delivered now";
    case ipc::verify_undeliverable: return "undeliverable";
    default: return "unknown; a probe would be sent";
  }
}

}  // namespace

ExplainQuestions::ExplainQuestions(const config::Config& config,
                                   const log::Log& log,
                                   const Envelope& envelope, Report& report)
    : config_(config),
      envelope_(envelope),
      report_(report),
      databases_(&config),
      tables_(route::LookupClient::OpensAll{},
              table_options(config, log, databases_)),
      router_(config, tables_),
      policies_(log, [this](config::Endpoint endpoint, Millis limit) {
        return dial(std::move(endpoint), limit);
      }) {
  router_.load();
  if (envelope.dns) resolver_ = make_resolver(config, log);
}

Task<Result<ipc::TableAnswer>> ExplainQuestions::find(ipc::TableFind question) {
  const std::string maps = question.maps;
  const std::vector<std::string> keys = question.keys;
  const std::int64_t partial_from = question.partial_from;
  Result<ipc::TableAnswer> answer = co_await tables_.find_first(
      std::move(question.maps), std::move(question.keys), partial_from);
  if (!answer)
    report_.asked(maps, "trouble: " + answer.trouble().text);
  else if (answer->found)
    report_.asked(
        fmt::format("{} \"{}\"", answer->table,
                    keys.at(static_cast<std::size_t>(answer->key))),
        fmt::format("\"{}\"", answer->value));
  else
    report_.asked(fmt::format("{} \"{}\"", maps, join(keys, "\", \"")),
                  "not found");
  co_return std::move(answer);
}

// As smtpd's server does.
Task<Result<route::Resolved>> ExplainQuestions::resolve(std::string sender,
                                                        std::string recipient) {
  std::string from = router_.rewrite(sender, route::Context::local);
  std::string to = router_.rewrite(recipient, route::Context::local);
  co_return co_await router_.resolve(std::move(from), std::move(to));
}

Task<Result<route::Router::Known>> ExplainQuestions::known(
    std::string recipient, route::Resolved resolved) {
  std::string address = router_.rewrite(recipient, route::Context::local);
  Result<route::Router::Known> known =
      co_await router_.recipient_known(address, std::move(resolved));
  if (known)
    report_.asked("is " + address + " listed",
                  known->known ? "yes" : "no: " + known->text);
  co_return std::move(known);
}

Task<ipc::DnsAnswer> ExplainQuestions::dns(std::string name,
                                           std::string type) {
  ipc::DnsAnswer answer;
  const std::optional<dns::Type> kind = dns::type_from(type);
  if (!resolver_ || !kind) {
    answer.status = "servfail";
    answer.text = "not asked (--no-dns)";
  } else {
    dns::Answer found = co_await resolver_->find(name, *kind, dns_limit);
    answer.status = dns::name_of(found.outcome);
    for (const dns::Record& record : found.records)
      answer.records.push_back(record.presentation());
    if (!found.ok()) answer.text = dns::why(name, *kind, found.outcome);
  }
  report_.asked(fmt::format("DNS {} {}", type, name),
                answer.records.empty() ? answer.status
                                       : join(answer.records, ", "));
  co_return std::move(answer);
}

Task<ipc::MailHostsAnswer> ExplainQuestions::host(std::string name) {
  ipc::MailHostsAnswer answer;
  for (const std::string& address :
       hosts_.current().addresses(name, dns::Families::both))
    answer.addresses.push_back({name, address, 0});
  if (!answer.addresses.empty()) co_return std::move(answer);
  const ipc::DnsAnswer v4 = co_await dns(name, "A");
  const ipc::DnsAnswer v6 = co_await dns(name, "AAAA");
  for (const ipc::DnsAnswer* found : {&v4, &v6})
    for (const std::string& address : found->records)
      answer.addresses.push_back({name, address, 0});
  if (answer.addresses.empty())
    answer.trouble = ipc::TroubleWire::from(give_up("4.4", "Host not found"));
  co_return std::move(answer);
}

// What the cache says at the given time. No probe is sent.
Task<Result<ipc::VerifyAnswer>> ExplainQuestions::verify(
    ipc::VerifyFind question) {
  std::string warning;
  const std::string path = tables::cache_path(
      config_.get<"address_verify_map">(), config_.get<"data_directory">(),
      &warning);
  std::optional<access::Verification> entry;
  if (!path.empty()) {
    Result<std::optional<std::string>> line =
        tables::CacheFile::look(path, question.address);
    if (line && *line) entry = access::Verification::from_line(**line);
  }
  const access::VerificationStep step = access::on_question(
      entry, access::verification_rules(config_), envelope_.time);
  ipc::VerifyAnswer answer;
  answer.status = step.answer.status;
  answer.text = step.answer.text;
  report_.asked("address verification of " + question.address,
                words_of(answer.status));
  co_return std::move(answer);
}

// Not asked, a service is one that has nothing to say.
Task<Result<std::string>> ExplainQuestions::policy(
    const access::PolicyService* service, std::string request) {
  if (!envelope_.ask_policy) {
    report_.asked("policy service " + service->name,
                  "not asked (--ask-policy); taken as DUNNO");
    co_return std::string("DUNNO");
  }
  Result<std::string> answer =
      co_await policies_.ask(service, std::move(request));
  report_.asked("policy service " + service->name,
                answer ? *answer : "trouble: " + answer.trouble().text);
  co_return std::move(answer);
}

Task<Result<Fd>> ExplainQuestions::dial(config::Endpoint endpoint,
                                        Millis limit) {
  if (endpoint.kind == config::Endpoint::Kind::path) {
    Result<SocketAddress> address = SocketAddress::unix_path(endpoint.path);
    if (!address) co_return address.trouble();
    co_return co_await connect_to(std::move(*address), limit, std::nullopt);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(),
                                 &hints, &found);
  if (code != 0) co_return try_later("4.3", ::gai_strerror(code));
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  ::freeaddrinfo(found);
  co_return co_await connect_to(std::move(address), limit, std::nullopt);
}

}  // namespace postern::tools
