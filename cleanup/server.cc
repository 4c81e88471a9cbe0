#include "cleanup/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "cleanup/recovery.h"

namespace postern::cleanup {
namespace {

// Enough for the journal to always have the next commit's messages waiting.
constexpr unsigned sync_threads = 4;
constexpr Millis link_limit{30'000};
constexpr Millis drain_look{50};

queue::SpoolOptions spool_options(const config::Config& config) {
  queue::SpoolOptions options;
  options.directory = config.get<"queue_directory">();
  options.long_ids = config.get<"enable_long_queue_ids">();
  options.hashed = config.get<"hash_queue_names">();
  options.hash_depth = static_cast<int>(config.get<"hash_queue_depth">());
  return options;
}

const ServiceRow* find_program(const Service& service,
                               const std::string& program) {
  for (const ServiceRow& row : service.rows())
    if (row.program == program) return &row;
  return nullptr;
}

}  // namespace

Server::Row::Row(const config::Config& config, route::LookupClient& lookup,
                 log::Log row_log)
    : settings(config), book(config, lookup), log(std::move(row_log)) {}

Server::Server(Service& service)
    : service_(service),
      log_(service.log()),
      spool_(spool_options(service.config())),
      lookup_(service),
      row_(service.config(), lookup_, service.log()),
      admission_([this] {
        return service_.link_to(service_.config().get<"queue_service_name">(),
                                link_limit);
      }),
      drain_timer_([this] { finish_if_idle(); }) {
  load(row_, service.config());
  const ServiceRow* bounce = find_program(service, "bounce");
  notices_ = std::make_unique<Notices>(
      means(row_), bounce != nullptr ? bounce->config : service.config(),
      service.log_as("bounce"));
  intake_ = std::make_unique<Intake>(
      means(row_), [this](ipc::NoticeRequest request) {
        return notices_->tell(std::move(request));
      });
  open_pickup();
  service.when_linked([this](Arrival arrival) {
    intake_->serve(std::move(arrival.link));
  });
  service.when_woken([this](std::string) {
    if (pickup_) pickup_->wake();
  });
  service.when_drained([this] { drain(); });
}

Means Server::means(Row& row) {
  return {row.settings, spool_, row.book, syncs_, admission_, row.log};
}

void Server::load(Row& row, const config::Config& config) {
  const Status loaded = row.book.load(config);
  if (!loaded) log_.fatal(loaded.trouble().text);
}

// Local submissions go through the row that pickup's cleanup_service_name
// names. It is the same program, so no link is needed: its settings do.
void Server::open_pickup() {
  const ServiceRow* row = find_program(service_, "pickup");
  if (row == nullptr) return;
  const std::string target = row->config.get<"cleanup_service_name">();
  if (target != service_.row().name) {
    for (const ipc::RowWire& other : service_.suite()) {
      if (other.name != target || other.program != "cleanup") continue;
      const config::Config config = service_.config_of(other);
      pickup_row_ = std::make_unique<Row>(
          config, lookup_,
          log::Log(config.text("syslog_name") + "/" + other.program));
      load(*pickup_row_, config);
    }
    if (!pickup_row_)
      row->log.warning("no cleanup service \"{}\" in master.conf: using \"{}\"",
                       target, service_.row().name);
  }
  PickupOptions options;
  options.flags =
      parse_override_options(row->config.get<"receive_override_options">());
  options.filter = row->config.get<"content_filter">();
  options.trusted = ::geteuid();
  pickup_ = std::make_unique<Pickup>(means(pickup_row_ ? *pickup_row_ : row_),
                                     *notices_, std::move(options), row->log);
}

void Server::start() {
  syncs_.start(sync_threads);
  admission_.start();
  // Modification times count whole seconds.
  nursery_.start(remove_debris_twice(
      &spool_, &log_, queue::Spool::making_time + Seconds(2)));
  if (!pickup_) return;
  listen();
  pickup_->wake();
}

void Server::listen() {
  for (const Listener& listener : service_.listeners()) {
    const int fd = listener.socket.get();
    const bool is_fifo = listener.type == "fifo";
    watches_.push_back(std::make_unique<Watch>(
        fd, Watch::read, false,
        [this, fd, is_fifo](short) { take_clients(fd, is_fifo); }));
    watches_.back()->enable();
  }
}

// Whatever is said means "look into maildrop".
void Server::take_clients(int listener, bool is_fifo) {
  char ignored[512];
  if (is_fifo) {
    while (::read(listener, ignored, sizeof ignored) > 0) {
    }
  } else {
    for (;;) {
      const Fd client(::accept4(listener, nullptr, nullptr,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) break;
      [[maybe_unused]] const ssize_t said =
          ::read(client.get(), ignored, sizeof ignored);
    }
  }
  pickup_->wake();
}

void Server::drain() {
  watches_.clear();
  if (pickup_) pickup_->stop();
  intake_->drain([this] { links_done_ = true; });
  finish_if_idle();
}

void Server::finish_if_idle() {
  if (links_done_ && (!pickup_ || pickup_->idle())) {
    admission_.stop();
    service_.finished();
    return;
  }
  drain_timer_.start(drain_look);
}

}  // namespace postern::cleanup
