// The parts of a cleanup process and how they hang together. One process per
// cleanup row; the first one also hosts pickup, bounce, defer and trace.
// Next: intake.h (messages that come over links), pickup.h, notices.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cleanup/admission.h"
#include "cleanup/intake.h"
#include "cleanup/notices.h"
#include "cleanup/pickup.h"
#include "cleanup/routed_book.h"
#include "cleanup/settings.h"
#include "cleanup/submission.h"
#include "cleanup/sync_pool.h"
#include "common/queue/spool.h"
#include "common/route/lookup_client.h"
#include "common/service/service.h"

namespace postern::cleanup {

class Server {
 public:
  // Opens all that lies outside of the queue; before lock().
  explicit Server(Service& service);

  // After lock().
  void start();

 private:
  // What one cleanup row says about messages.
  struct Row {
    Row(const config::Config& config, route::LookupClient& lookup,
        log::Log row_log);
    Settings settings;
    RoutedBook book;
    log::Log log;
  };
  Means means(Row& row);
  void load(Row& row, const config::Config& config);
  void open_pickup();
  void listen();
  void take_clients(int listener, bool is_fifo);
  void drain();
  void finish_if_idle();

  Service& service_;
  log::Log log_;
  queue::Spool spool_;
  route::LookupClient lookup_;
  Row row_;
  std::unique_ptr<Row> pickup_row_;  // where pickup uses another row
  SyncPool syncs_;
  Admission admission_;
  std::unique_ptr<Notices> notices_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Pickup> pickup_;
  std::vector<std::unique_ptr<Watch>> watches_;
  bool links_done_ = false;
  Timer drain_timer_;
  Nursery nursery_;
};

}  // namespace postern::cleanup
