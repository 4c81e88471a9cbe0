// smtp: sends mail to other servers, by SMTP and by LMTP. Start reading at
// Agent::serve (agent.h), then Delivery::run, then Conversation::transact.
#include "common/route/lookup_client.h"
#include "common/service/service.h"
#include "smtp/agent.h"

namespace postern::smtp {
namespace {

// Names and tables, from the lookup service.
class LookupResolver : public Resolver {
 public:
  explicit LookupResolver(route::LookupClient& lookup) : lookup_(lookup) {}

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
};

int run(Service& service) {
  const bool lmtp = service.row().program == "lmtp";
  const Result<Settings> read = read_settings(service.config(), lmtp);
  if (!read) service.log().fatal(read.trouble().text);
  const Settings& settings = *read;

  route::LookupClient lookup(service);
  const Status loaded = lookup.preload(settings.discard_keyword_maps);
  if (!loaded) service.log().fatal(loaded.trouble().text);
  LookupResolver resolver(lookup);
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
