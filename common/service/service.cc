#include "common/service/service.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/ipc/messages/dial.h"
#include "common/ipc/messages/keys.h"
#include "common/os/files.h"
#include "common/sandbox/lock.h"
#include "common/service/places.h"

namespace postern {
namespace {

constexpr int control_descriptor = 3;
constexpr Millis welcome_limit{60'000};
// A control link may be silent for as long as the suite runs.
constexpr Millis listening{3'600'000};

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

config::Config main_of(const ipc::Welcome& welcome) {
  std::vector<config::Setting> settings;
  for (const ipc::SettingWire& each : welcome.settings)
    settings.push_back({each.name, each.value,
                        {each.file, static_cast<int>(each.line)}});
  return config::Config::from_settings(welcome.config_directory,
                                       std::move(settings));
}

config::Config for_row(const ipc::RowWire& wire, const config::Config& main) {
  config::NameValues overrides = {{"service_name", wire.name},
                                  {"process_name", wire.program}};
  overrides.insert(overrides.end(), wire.overrides.begin(),
                   wire.overrides.end());
  return main.with_overrides(overrides);
}

ServiceRow row_of(const ipc::RowWire& wire, const config::Config& main) {
  config::Config config = for_row(wire, main);
  const std::string tag = config.text("syslog_name") + "/" + wire.program;
  return {wire.name,    wire.type,      wire.program,      wire.maxproc,
          wire.chroot,  wire.private_,  wire.arguments,    std::move(config),
          log::Log(tag)};
}

}  // namespace

struct Service::State {
  State(Role which, std::string name)
      : role(which), bootstrap_log("postern/" + std::move(name)) {}

  void take(ipc::Welcome welcome);
  Task<> await_welcome();
  Task<> listen();
  void handle(ipc::Frame frame);
  void arrive(ipc::LinkArrival arrival);
  void drain(bool for_reload);
  void load_reported(std::int64_t sessions, bool full) {
    control->send(ipc::Ready{full, sessions});
  }

  Role role;
  log::Log bootstrap_log;  // until the configuration is known
  Loop loop;
  std::unique_ptr<ipc::Link> control;
  Fd log_file;
  bool as_root = false;
  bool welcomed = false;
  bool locked = false;
  bool draining = false;
  bool reload = false;
  std::optional<config::Config> main;  // without any -o
  std::vector<ServiceRow> rows;
  std::vector<ipc::RowWire> suite;
  std::vector<Listener> listeners;
  std::unique_ptr<SharedLink> lookup;  // made by the first dial to a host
  std::function<void(Arrival)> linked;
  std::function<void(std::string)> woken;
  std::function<void()> drained;
  std::function<void(bool)> stressed;
  Nursery nursery;
};

void Service::State::take(ipc::Welcome welcome) {
  as_root = welcome.as_root;
  log_file = std::move(welcome.log_file);
  main = main_of(welcome);
  log::Destination destination;
  destination.file = log_file.get();
  destination.facility = main->get<"syslog_facility">();
  log::set_destination(destination);
  for (const ipc::RowWire& row : welcome.rows) rows.push_back(row_of(row, *main));
  if (rows.empty()) bootstrap_log.fatal("master sent no row for this process");
  suite = std::move(welcome.suite);
  for (ipc::ListenerWire& each : welcome.listeners)
    listeners.push_back({each.service, each.type, each.name,
                         std::move(each.socket)});
}

Task<> Service::State::await_welcome() {
  std::optional<ipc::Frame> frame = co_await control->next(welcome_limit);
  if (!frame) co_return;
  std::optional<ipc::Welcome> welcome = frame->as<ipc::Welcome>();
  if (!welcome) co_return;
  take(std::move(*welcome));
  welcomed = true;
}

Task<> Service::State::listen() {
  while (control->open() || control->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await control->next(listening);
    if (frame) handle(std::move(*frame));
  }
  // Without master nobody would link, replace or stop this process.
  std::_Exit(0);
}

void Service::State::handle(ipc::Frame frame) {
  if (auto arrival = frame.as<ipc::LinkArrival>()) {
    arrive(std::move(*arrival));
  } else if (auto wakeup = frame.as<ipc::Wakeup>()) {
    if (woken && !draining) woken(wakeup->service);
  } else if (auto order = frame.as<ipc::Drain>()) {
    drain(order->reload);
  } else if (auto stress = frame.as<ipc::Stress>()) {
    if (stressed) stressed(stress->on);
  } else {
    rows.front().log.warning(
        "master said something that this program does not understand: is it "
        "of another version? (restart the mail system)");
  }
}

void Service::State::arrive(ipc::LinkArrival arrival) {
  const std::optional<Role> peer = role_from(arrival.role);
  if (!peer || !arrival.socket || !linked) return;
  auto link = std::make_unique<ipc::Link>(std::move(arrival.socket), role,
                                          *peer, arrival.service);
  linked({std::move(link), *peer, arrival.service, arrival.target});
}

void Service::State::drain(bool for_reload) {
  // A stop may follow while a reload's drain still goes on: less patience.
  reload = for_reload;
  if (draining && for_reload) return;
  draining = true;
  if (drained)
    drained();
  else
    loop.stop();
}

Service::Service(Role role, int, char** argv)
    : state_(std::make_unique<State>(role, os::base_name(argv[0]))) {
  if (!is_socket(control_descriptor)) {
    log::Destination here;
    here.standard_error = true;
    log::set_destination(here);
    state_->bootstrap_log.fatal(
        "this program is run by master alone; use \"postern start\" to start "
        "the mail system");
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::tzset();
  [[maybe_unused]] const Status kept =
      os::set_close_on_exec(control_descriptor);
  state_->control = std::make_unique<ipc::Link>(
      Fd(control_descriptor), role, Role::master, "master");
  state_->nursery.start(state_->await_welcome());
  state_->loop.run_until([this] { return state_->nursery.empty(); });
  if (!state_->welcomed)
    state_->bootstrap_log.fatal(
        "no welcome from master: is it of another version? (restart the mail "
        "system)");
}

Service::~Service() = default;

Role Service::role() const { return state_->role; }
Loop& Service::loop() { return state_->loop; }
const ServiceRow& Service::row() const { return state_->rows.front(); }
const std::vector<ServiceRow>& Service::rows() const { return state_->rows; }
const config::Config& Service::config() const { return row().config; }
config::Config Service::config_of(const ipc::RowWire& row) const {
  return for_row(row, *state_->main);
}
const log::Log& Service::log() const { return row().log; }
bool Service::started_as_root() const { return state_->as_root; }
bool Service::draining() const { return state_->draining; }
bool Service::drained_for_reload() const {
  return state_->draining && state_->reload;
}
std::vector<Listener>& Service::listeners() { return state_->listeners; }
const std::vector<ipc::RowWire>& Service::suite() const {
  return state_->suite;
}

const ServiceRow* Service::hosted(const std::string& name) const {
  for (const ServiceRow& each : state_->rows)
    if (each.name == name) return &each;
  return nullptr;
}

log::Log Service::log_as(const std::string& program) const {
  for (const ServiceRow& each : state_->rows)
    if (each.program == program) return each.log;
  return log::Log(config().text("syslog_name") + "/" + program);
}

Task<Result<std::unique_ptr<ipc::Link>>> Service::link_to(std::string service,
                                                          Millis limit) {
  const ipc::LinkRequest request{service};
  Result<ipc::LinkAnswer> answer =
      co_await state_->control->call(request, limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  const std::optional<Role> peer = role_from(answer->peer_role);
  if (!peer || !answer->socket)
    co_return try_later("3.0", "master made no link to service " + service);
  co_return std::make_unique<ipc::Link>(std::move(answer->socket),
                                        state_->role, *peer, service);
}

Task<Result<std::unique_ptr<ipc::Link>>> Service::worker(
    ipc::WorkerRequest request, Millis limit) {
  Result<ipc::LinkAnswer> answer =
      co_await state_->control->call(request, limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  const std::optional<Role> peer = role_from(answer->peer_role);
  if (!peer || !answer->socket)
    co_return try_later("3.0", "master started no worker");
  std::string name = answer->peer_role + " of ";
  name += request.user.empty() ? std::to_string(request.uid) : request.user;
  co_return std::make_unique<ipc::Link>(std::move(answer->socket),
                                        state_->role, *peer, name);
}

Task<Result<Fd>> Service::dial(config::Endpoint endpoint, Millis limit) {
  ipc::DialAnswer made;
  if (endpoint.kind == config::Endpoint::Kind::path) {
    const ipc::DialPath request{endpoint.path};
    Result<ipc::DialAnswer> answer =
        co_await state_->control->call(request, limit);
    if (!answer) co_return answer.trouble();
    made = std::move(*answer);
  } else {
    if (!state_->lookup)
      state_->lookup = std::make_unique<SharedLink>(*this, "lookup");
    ipc::DialHost request{endpoint.host, endpoint.port, limit};
    // The other side keeps the limit too, and knows the better reason.
    Result<ipc::DialAnswer> answer = co_await state_->lookup->ask(
        std::move(request), limit + Millis(1000));
    if (!answer) co_return answer.trouble();
    made = std::move(*answer);
  }
  if (made.trouble.present) co_return made.trouble.trouble();
  if (!made.socket) co_return try_later("3.0", "no connection was made");
  co_return std::move(made.socket);
}

Task<Result<Fd>> Service::secret_file(std::string path, Millis limit) {
  const ipc::SecretFileRequest request{std::move(path)};
  Result<ipc::SecretFileAnswer> answer =
      co_await state_->control->call(request, limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  if (!answer->file)
    co_return try_later("3.0", "master did not open " + request.path);
  co_return std::move(answer->file);
}

void Service::when_linked(std::function<void(Arrival)> callback) {
  state_->linked = std::move(callback);
}
void Service::when_woken(std::function<void(std::string)> callback) {
  state_->woken = std::move(callback);
}
void Service::when_drained(std::function<void()> callback) {
  state_->drained = std::move(callback);
}
void Service::when_stressed(std::function<void(bool)> callback) {
  state_->stressed = std::move(callback);
}

void Service::tell_load(std::int64_t sessions, bool full) {
  state_->load_reported(sessions, full);
}

void Service::tell_handed_over(std::int64_t under_way) {
  state_->control->send(ipc::HandedOver{under_way});
}

void Service::lock() {
  sandbox::Situation situation;
  situation.role = state_->role;
  situation.paths =
      sandbox::resolve(state_->role, places_of(state_->role, config()));
  situation.started_as_root = state_->as_root;
  situation.allow_degraded = config().get<"allow_degraded_isolation">();
  const Result<sandbox::Applied> applied = sandbox::lock(situation);
  if (!applied)
    log().fatal("this process cannot be confined as its profile says: " +
                applied.trouble().text);
  for (const std::string& note : applied->notes) log().warning(note);
  state_->locked = true;
  state_->load_reported(0, false);
  state_->control->flush_now();
}

int Service::run() {
  require(state_->locked, "run() before lock()");
  state_->nursery.start(state_->listen());
  state_->loop.run();
  return 0;
}

void Service::finished() { state_->loop.stop(); }

}  // namespace postern
