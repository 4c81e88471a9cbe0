// Answers questions of the other processes: tables, users, names and addresses
// of hosts, rates of clients. Postfix's proxymap and anvil, and its resolver.
// Next: server.h.
#include "common/base/text.h"
#include "common/service/service.h"
#include "lookup/server.h"

namespace postern::lookup {
namespace {

// Questions under way when the process is to end have so long.
constexpr Seconds last_answers{15};

TableCache::Options table_options(Service& service) {
  TableCache::Options options;
  options.proxy_read_maps = service.config().get<"proxy_read_maps">();
  options.utf8 = service.config().get<"smtputf8_enable">();
  options.complain = [own = service.log(),
                      proxymap = service.log_as("proxymap")](
                         TableCache::Voice voice, const std::string& line) {
    (voice == TableCache::Voice::proxymap ? proxymap : own).warning(line);
  };
  return options;
}

std::unique_ptr<dns::Resolver> make_resolver(Service& service) {
  dns::ResolverOptions options;
  options.servers = split_words(service.config().get<"dns_servers">());
  options.trust_anchor_file =
      service.config().get<"dns_trust_anchor_file">();
  auto resolver = dns::Resolver::make(std::move(options));
  if (!resolver) service.log().fatal(resolver.trouble().text);
  return std::move(*resolver);
}

Names::Options name_options(Service& service) {
  Names::Options options;
  options.families =
      dns::families_from(service.config().get<"inet_protocols">());
  return options;
}

// What the rows of a name may be connected to: of the program that asks.
Dialer::Grants dial_grants(Service& service) {
  return [&service](Role role, const std::string& name) {
    std::vector<config::Endpoint> granted;
    for (const ipc::RowWire& row : service.suite()) {
      if (row.name != name || row.program != name_of(role)) continue;
      for (config::Endpoint& each : config::granted_endpoints(
               service.config_of(row), row.program))
        granted.push_back(std::move(each));
    }
    return granted;
  };
}

// Logs what anvil has seen, every anvil_status_update_time and at the end.
class Statistics {
 public:
  Statistics(Anvil& anvil, Service& service)
      : anvil_(anvil),
        log_(service.log_as("anvil")),
        interval_(service.config().get<"anvil_status_update_time">()),
        timer_([this] {
          tell();
          timer_.start(interval_);
        }) {
    timer_.start(interval_);
  }
  ~Statistics() { tell(); }
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

 private:
  void tell() {
    for (const std::string& line : anvil_.statistics()) log_.info(line);
  }
  Anvil& anvil_;
  log::Log log_;
  Millis interval_;
  Timer timer_;
};

int run(Service& service) {
  const std::unique_ptr<dns::Resolver> resolver = make_resolver(service);
  Names names(*resolver, name_options(service));
  TableCache tables(table_options(service));
  Anvil anvil(service.config().get<"anvil_rate_time_unit">());
  Statistics statistics(anvil, service);
  HelperThread helper;
  Dialer dialer(names, dial_grants(service), service.log());
  Server server(tables, names, anvil, helper, service.log());
  server.use(dialer);
  Timer patience([&service] { service.finished(); });
  service.when_linked(
      [&server](Arrival arrival) { server.take(std::move(arrival.link)); });
  service.when_drained([&] {
    patience.start(last_answers);
    server.when_answered([&service] { service.finished(); });
  });
  service.lock();
  return service.run();
}

}  // namespace
}  // namespace postern::lookup

int main(int argc, char** argv) {
  postern::Service service(postern::Role::lookup, argc, argv);
  return postern::lookup::run(service);
}
