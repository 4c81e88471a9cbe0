// smtp: sends mail to other servers, by SMTP and by LMTP. Start reading at
// Agent::serve (agent.h), then Delivery::run, then Conversation::transact.
#include "common/base/text.h"
#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "common/service/service.h"
#include "smtp/agent.h"

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
    if (settings.generic.maps.empty()) return;
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

 private:
  route::LookupClient& lookup_;
  std::string myorigin_;
  std::unique_ptr<route::Router> router_;  // where addresses are mapped
};

int run(Service& service) {
  const bool lmtp = service.row().program == "lmtp";
  const Result<Settings> read = read_settings(service.config(), lmtp);
  if (!read) service.log().fatal(read.trouble().text);
  const Settings& settings = *read;

  route::LookupClient lookup(service);
  for (const std::string* maps :
       {&settings.discard_keyword_maps, &settings.generic.maps,
        &settings.checks.header.maps, &settings.checks.mime.maps,
        &settings.checks.nested.maps, &settings.checks.body.maps,
        &settings.pix.maps, &settings.reply_filter,
        &settings.delivery_status_filter}) {
    const Status loaded = lookup.preload(*maps);
    if (!loaded) service.log().fatal(loaded.trouble().text);
  }
  LookupResolver resolver(service.config(), settings, lookup);
  Agent agent(settings, service.log(), resolver);

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
