// Keeps what nobody who speaks with strangers may hold: passwords and private
// keys. Answers "is this the user's password" and "sign this for the
// handshake". Next: server.h, channels.h.
#include <optional>

#include "authd/channels.h"
#include "authd/server.h"
#include "authd/settings.h"
#include "common/service/sasl_files.h"
#include "common/service/service.h"

namespace postern::authd {
namespace {

// Log-ins under way when the suite stops have so long.
constexpr Seconds last_answers{5};

// The Cyrus library, where a row of smtpd wants it. It can serve one
// application only; `why` says what is not served.
std::unique_ptr<Cyrus> start_cyrus(Service& service, Workers& workers,
                                   Workers& lookups,
                                   const std::vector<std::string>& wanted,
                                   std::string* why) {
  if (wanted.empty()) {
    *why = "no row was to use the Cyrus library at the last reload";
    return nullptr;
  }
  for (std::size_t i = 1; i < wanted.size(); ++i)
    service.log().warning(
        "smtpd_sasl_path = {}: clients cannot log in there, as the Cyrus "
        "library serves one application, and that is {}",
        wanted[i], wanted.front());
  auto started =
      Cyrus::start(cyrus_settings(service.config(), wanted.front()), workers,
                   lookups, service.log());
  if (started) return std::move(*started);
  *why = started.trouble().text;
  service.log().warning(*why);
  return nullptr;
}

// What clients of a row's socket are served by: the user store, unless the row
// itself says otherwise.
ipc::AuthChannel backend_of_row(const Service& service,
                                const std::string& name) {
  ipc::AuthChannel asked{"postern", "", "", ""};
  for (const ipc::RowWire& row : service.suite()) {
    if (row.name != name || row.program != "authd") continue;
    const config::Config config = service.config_of(row);
    if (needs_cyrus(row.program, row.overrides, service.config()))
      asked.backend = "cyrus";
    asked.path = config.text("smtpd_sasl_path");
    asked.realm = config.get<"smtpd_sasl_local_domain">();
    asked.host = config.get<"myhostname">();
  }
  return asked;
}

void listen(Service& service, Channels& channels) {
  for (Listener& each : service.listeners()) {
    if (each.type != "unix") {
      service.log().warning(
          "service {}/{}: passwords are not taken over the network; make it "
          "a socket of type unix",
          each.service, each.type);
      continue;
    }
    channels.listen(std::move(each.socket), each.name,
                    backend_of_row(service, each.service));
  }
}

int run(Service& service) {
  const config::Config& config = service.config();
  Workers hashing(hash_limits(config));
  Workers blocking(cyrus_limits(config));
  Workers lookups(lookup_limits(config));
  Gate gate(gate_limits(config), service.log());
  Users users(user_settings(config), hashing, lookups, gate.attempts());
  const std::vector<std::string> applications = cyrus_applications(service);
  std::string without_cyrus;
  const std::unique_ptr<Cyrus> cyrus =
      start_cyrus(service, blocking, lookups, applications, &without_cyrus);
  Channels::Settings settings;
  settings.mechanisms = mechanism_names(config);
  if (!applications.empty()) settings.application = applications.front();
  Channels channels(std::move(settings), users, gate, cyrus.get(),
                    without_cyrus, service.log());
  Keys keys(service);
  Server server(channels, keys, service.log());
  Timer patience([&service] { service.finished(); });
  service.when_linked(
      [&server](Arrival arrival) { server.take(std::move(arrival.link)); });
  service.when_drained([&] {
    if (!service.drained_for_reload()) patience.start(last_answers);
    channels.drain([&service] { service.finished(); });
  });
  listen(service, channels);
  service.lock();
  keys.start();
  return service.run();
}

}  // namespace
}  // namespace postern::authd

int main(int argc, char** argv) {
  postern::Service service(postern::Role::authd, argc, argv);
  return postern::authd::run(service);
}
