// Answers questions of the other processes: tables, users, names and addresses
// of hosts, rates of clients. Postfix's proxymap and anvil, and its resolver.
// Next: server.h.
#include <unistd.h>

#include "common/base/text.h"
#include "common/databases/open.h"
#include "common/service/service.h"
#include "lookup/probe.h"
#include "lookup/server.h"

namespace postern::lookup {
namespace {

// Questions under way when the process is to end have so long.
constexpr Seconds last_answers{15};

TableCache::Options table_options(Service& service,
                                  databases::Opener& opener) {
  TableCache::Options options;
  options.proxy_read_maps = service.config().get<"proxy_read_maps">();
  options.utf8 = service.config().get<"smtputf8_enable">();
  options.other = opener.function();
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

// A postscreen row serves sessions with the settings of its pass row, and is
// to be connected to what that names.
bool is_asker(Service& service, const ipc::RowWire& row, Role role,
              const std::string& name) {
  if (row.program != name_of(role)) return false;
  if (row.name == name) return true;
  for (const ipc::RowWire& screen : service.suite())
    if (screen.name == name && screen.program == "postscreen" &&
        row.type == "pass" &&
        service.config_of(screen).get<"smtpd_service_name">() == row.name)
      return true;
  return false;
}

// What the rows of a name may be connected to: of the program that asks.
Dialer::Grants dial_grants(Service& service) {
  return [&service](Role role, const std::string& name) {
    std::vector<config::Endpoint> granted;
    for (const ipc::RowWire& row : service.suite()) {
      if (!is_asker(service, row, role, name)) continue;
      for (config::Endpoint& each : config::granted_endpoints(
               service.config_of(row), row.program))
        granted.push_back(std::move(each));
    }
    return granted;
  };
}

// The cache that `table` means; in memory where the file does not open. `what`
// is kept in it.
tables::CacheFile open_cache(const std::string& table, Service& service,
                             const log::Log& log, const char* what) {
  const auto warn = [&log](const std::string& line) { log.warning(line); };
  std::string warning;
  const std::string path = tables::cache_path(
      table, service.config().get<"data_directory">(), &warning);
  if (!warning.empty()) log.warning(warning);
  Result<tables::CacheFile> cache = tables::CacheFile::open(path, warn);
  if (cache) return std::move(*cache);
  log.warning("{}; {} are kept in memory", cache.trouble().text, what);
  cache = tables::CacheFile::open("", warn);
  if (!cache) log.fatal(cache.trouble().text);
  return std::move(*cache);
}

// Address verification, with its probes and the cleaning of its cache.
class Verifying {
 public:
  explicit Verifying(Service& service)
      : prober_(service),
        verifier_(open_cache(service.config().get<"address_verify_map">(),
                             service, service.log_as("verify"),
                             "results of address verification"),
                  access::verification_rules(service.config()),
                  [this](std::string address, bool smtputf8) {
                    return prober_.send(std::move(address), smtputf8);
                  },
                  service.log_as("verify")),
        interval_(
            service.config().get<"address_verify_cache_cleanup_interval">()),
        timer_([this] {
          verifier_.clean();
          timer_.start(interval_);
        }) {
    if (interval_ > Millis(0)) timer_.start(interval_);
  }
  Verifier& verifier() { return verifier_; }

 private:
  Prober prober_;
  Verifier verifier_;
  Millis interval_;
  Timer timer_;
};

// TLS sessions of the rows that send, and the cleaning of their files.
class Sessions {
 public:
  explicit Sessions(Service& service)
      : sessions_(service.config().get<"data_directory">(),
                  [&service](const std::string& row) {
                    return cache_of(service, row);
                  },
                  service.log_as("tlsmgr")),
        timer_([this] {
          sessions_.clean();
          timer_.start(interval);
        }) {
    timer_.start(interval);
  }
  TlsSessions& sessions() { return sessions_; }

 private:
  static constexpr Seconds interval{600};
  static SessionCache cache_of(Service& service, const std::string& name) {
    for (const ipc::RowWire& row : service.suite())
      if (row.name == name && (row.program == "smtp" || row.program == "lmtp"))
        return SessionCache::read(service.config_of(row),
                                  row.program == "lmtp");
    return {};
  }

  TlsSessions sessions_;
  Timer timer_;
};

// The temporary allow list, with its cleaning: once at the start, then in
// intervals.
class Screening {
 public:
  Screening(Service& service, const config::Config& config)
      : cache_(open_cache(config.get<"postscreen_cache_map">(), service,
                          service.log_as("postscreen"),
                          "results of screening"),
               config.get<"postscreen_cache_map">(),
               config.get<"postscreen_cache_retention_time">(),
               service.log_as("postscreen")),
        interval_(config.get<"postscreen_cache_cleanup_interval">()),
        timer_([this] {
          cache_.clean();
          timer_.start(interval_);
        }) {
    if (interval_ > Millis(0)) timer_.start(Millis(0));
  }
  ScreenCache& cache() { return cache_; }

 private:
  ScreenCache cache_;
  Millis interval_;
  Timer timer_;
};

// Made where there is a postscreen row; the first one's settings count.
void make_screening(Service& service, std::optional<Screening>& screening) {
  for (const ipc::RowWire& row : service.suite())
    if (row.program == "postscreen" && !screening)
      screening.emplace(service, service.config_of(row));
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
  databases::Opener opener(&service.config());
  TableCache tables(table_options(service, opener));
  Anvil anvil(service.config().get<"anvil_rate_time_unit">());
  std::optional<Statistics> statistics(std::in_place, anvil, service);
  HelperThread helper;
  Dialer dialer(names, dial_grants(service), service.log());
  Server server(tables, names, anvil, helper, service.log());
  server.use(dialer);
  Verifying verifying(service);
  server.use(verifying.verifier());
  Sessions sessions(service);
  server.use(sessions.sessions());
  std::optional<Screening> screening;
  make_screening(service, screening);
  if (screening) server.use(screening->cache());
  Timer patience([&service] { service.finished(); });
  service.when_linked(
      [&server](Arrival arrival) { server.take(std::move(arrival.link)); });
  service.when_drained([&] {
    patience.start(last_answers);
    server.when_answered([&service] { service.finished(); });
  });
  service.lock();
  const int status = service.run();
  statistics.reset();
  // A thread that waits for a dead server keeps nobody from going.
  if (tables.busy_threads() > 0) ::_exit(status);
  return status;
}

}  // namespace
}  // namespace postern::lookup

int main(int argc, char** argv) {
  postern::Service service(postern::Role::lookup, argc, argv);
  return postern::lookup::run(service);
}
