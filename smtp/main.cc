// smtp: sends mail to other servers, by SMTP and by LMTP. Start reading at
// Agent::serve (agent.h), then Delivery::run, then Conversation::transact.
#include "common/base/text.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "common/service/service.h"
#include "common/tls/service_keys.h"
#include "smtp/agent.h"
#include "smtp/tls_client.h"

#include <memory>

namespace postern::smtp {
namespace {

// Names and tables, from the lookup service.
class LookupResolver : public Resolver {
 public:
  // Reads what lies in memory: before the process is locked. Trouble: a
  // parameter cannot be read.
  LookupResolver(const config::Config& config, const Settings& settings,
                 route::LookupClient& lookup)
      : lookup_(lookup), myorigin_(config.get<"myorigin">()) {
    const bool by_sender =
        settings.sasl.enabled && settings.sasl.sender_dependent;
    if (settings.generic.maps.empty() && !by_sender) return;
    router_ = std::make_unique<route::Router>(config, lookup);
    router_->load();
  }

  Task<Result<ipc::MailHostsAnswer>> hosts(
      ipc::MailHostsFind question) override {
    ipc::MailHostsAnswer answer =
        co_await lookup_.mail_hosts(std::move(question));
    co_return std::move(answer);
  }
  Task<Result<ipc::TableAnswer>> table(ipc::TableFind question) override {
    Result<ipc::TableAnswer> answer =
        co_await lookup_.find_first(std::move(question.maps),
                                    std::move(question.keys),
                                    question.partial_from);
    co_return std::move(answer);
  }
  bool has_no(const std::string& maps, const std::string& key) const override {
    return lookup_.has_no(maps, key);
  }
  Task<Result<bool>> is_local(std::string domain) override {
    if (domain.empty() || equal_nocase(domain, myorigin_)) co_return true;
    if (!router_) co_return false;
    co_return co_await router_->is_local_domain(std::move(domain));
  }
  std::string complete(const std::string& address) const override {
    return router_ ? router_->rewrite(address, route::Context::local)
                   : address;
  }
  Task<Result<ipc::DnsAnswer>> records(ipc::DnsFind question) override {
    ipc::DnsAnswer answer =
        co_await lookup_.dns(std::move(question.name),
                             std::move(question.type), question.dnssec);
    co_return std::move(answer);
  }
  Task<Result<std::string>> file(ipc::FileFind question) override {
    Result<std::string> answer = co_await lookup_.file(
        std::move(question.path), std::move(question.what));
    co_return std::move(answer);
  }

 private:
  route::LookupClient& lookup_;
  std::string myorigin_;
  std::unique_ptr<route::Router> router_;  // where addresses are asked for
};

// Sessions to resume, from the same service.
class LookupSessions : public TlsSessions {
 public:
  explicit LookupSessions(route::LookupClient& lookup) : lookup_(lookup) {}
  Task<std::string> find(std::string key) override {
    co_return co_await lookup_.tls_session(std::move(key));
  }
  void keep(std::string key, std::string session) override {
    lookup_.keep_tls_session(std::move(key), std::move(session));
  }

 private:
  route::LookupClient& lookup_;
};

// Null: no destination may want TLS, or it cannot be had, which is logged;
// mail that must be encrypted then waits.
std::unique_ptr<TlsClient> make_tls(Service& service, const Settings& settings,
                                    Resolver& resolver, TlsSessions& sessions,
                                    tls::KeyHolder& keys) {
  const log::Log& log = service.log();
  if (settings.tls.level == TlsLevel::none && settings.tls.policy_maps.empty())
    return nullptr;
  Result<std::shared_ptr<tls::ClientContext>> context =
      try_later("3.0", "");
  const Status started = tls::start_library(service.config());
  if (started) {
    tls::ClientSettings wanted = tls::ClientSettings::read(
        service.config(), settings.lmtp ? "lmtp" : "smtp");
    for (const std::string& remark : wanted.remarks) log.warning(remark);
    context = tls::ClientContext::make(std::move(wanted), &keys, log);
  }
  if (!started || !context) {
    log.warning("{}: disabling TLS support",
                started ? context.trouble().text : started.trouble().text);
    return nullptr;
  }
  return std::make_unique<TlsClient>(*context, settings, resolver, &sessions);
}

int run(Service& service) {
  const bool lmtp = service.row().program == "lmtp";
  const Result<Settings> read = read_settings(service.config(), lmtp);
  if (!read) service.log().fatal(read.trouble().text);
  const Settings& settings = *read;

  route::LookupClient lookup(service);
  for (const std::string* maps :
       {&settings.discard_keyword_maps, &settings.tls.policy_maps,
        &settings.generic.maps,
        &settings.checks.header.maps, &settings.checks.mime.maps,
        &settings.checks.nested.maps, &settings.checks.body.maps,
        &settings.pix.maps, &settings.reply_filter,
        &settings.delivery_status_filter}) {
    const Status loaded = lookup.preload(*maps);
    if (!loaded) service.log().fatal(loaded.trouble().text);
  }
  LookupResolver resolver(service.config(), settings, lookup);
  LookupSessions tls_sessions(lookup);
  tls::ServiceKeys keys(service);
  const std::unique_ptr<TlsClient> tls =
      make_tls(service, settings, resolver, tls_sessions, keys);
  Agent agent(settings, service.log(), resolver, tls.get());

  service.when_linked([&agent](Arrival arrival) {
    agent.serve(std::move(arrival.link));
  });
  service.when_drained([&] {
    agent.when_idle([&service] { service.finished(); });
    if (agent.busy() == 0) service.finished();
  });
  service.lock();
  return service.run();
}

}  // namespace
}  // namespace postern::smtp

int main(int argc, char** argv) {
  postern::Service service(postern::Role::smtp, argc, argv);
  return postern::smtp::run(service);
}
