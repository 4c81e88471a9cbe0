// One message on its way into the queue, from its beginning to the verdict:
// whoever brings it (smtpd, local, pickup, a notice of our own) calls
//
//   create, start, then recipient, content and mark in any order, finish
//
// After the first trouble the rest is swallowed and finish tells what it was.
// Destroyed earlier it leaves nothing.
// Next: envelope.h, content.h, sync_pool.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cleanup/address_book.h"
#include "cleanup/admission.h"
#include "cleanup/checks.h"
#include "cleanup/content.h"
#include "cleanup/envelope.h"
#include "cleanup/headers.h"
#include "cleanup/mapping.h"
#include "cleanup/settings.h"
#include "cleanup/sync_pool.h"
#include "common/base/result.h"
#include "common/ipc/messages/content.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/queue/spool.h"

namespace postern::cleanup {

// What a message needs on its way; all of it outlives the message.
struct Means {
  const Settings& settings;
  queue::Spool& spool;
  AddressBook& book;
  SyncPool& syncs;
  Admission& admission;
  const log::Log& log;
};

// queue_minfree, and room for one and a half of the largest message
// (postconf(5)).
ipc::RoomAnswer room_for(const Settings& settings, const queue::Spool& spool,
                         std::int64_t size_hint);

class Submission {
 public:
  // Opens the queue file. `mail_class` says where the message is from, as in
  // smtputf8_autodetect_classes. Trouble: no space (4.3.1), an I/O error.
  static Result<std::unique_ptr<Submission>> create(
      const Means& means, ipc::MessageBegin begin,
      std::string_view mail_class = "smtpd");
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  const std::string& id() const { return id_; }

  // Takes the sender in. Before anything else.
  Task<void> start();
  Task<void> recipient(ipc::MessageRecipient recipient);
  Task<void> content(std::string bytes);
  void mark(const ipc::MessageMark& mark) { envelope_.mark(mark); }
  void fail(Trouble trouble);

  bool failed() const { return trouble_.has_value(); }
  // Content bytes that came.
  std::int64_t received() const { return received_; }
  const queue::Envelope& envelope() const { return envelope_.envelope(); }

  // Once: writes, syncs, tells qmgr.
  Task<ipc::MessageVerdict> finish();

  // After finish: what the sender of aliases with NOTIFY=SUCCESS is to be told
  // now (RFC 3461 section 5.2.7.3), if anything.
  std::optional<ipc::NoticeRequest> take_report() {
    return std::exchange(report_, std::nullopt);
  }

 private:
  Submission(const Means& means, std::unique_ptr<queue::Draft> draft,
             ipc::MessageBegin begin, bool detect_utf8);
  void note_utf8();
  Task<Status> store();
  void prepare_report(const queue::Draft& draft);

  Means means_;
  std::string id_;
  std::unique_ptr<queue::Draft> draft_;
  ipc::MessageBegin begin_;
  bool detect_utf8_;
  Mapper mapper_;
  EnvelopeBuilder envelope_;
  HeaderPass headers_;
  ContentChecks checks_;
  ContentPass content_;
  std::optional<Trouble> trouble_;
  std::optional<ipc::NoticeRequest> report_;
  std::int64_t received_ = 0;
};

}  // namespace postern::cleanup
