#include "cleanup/submission.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "common/base/text.h"
#include "common/service/delivery_log.h"

namespace postern::cleanup {
namespace {

// A disk that does not answer for so long will not.
constexpr Millis sync_limit{3'600'000};

// More than so many are kept in a file until the message is complete.
constexpr std::size_t most_recipients = 2000;

Origin origin_of(const Settings& settings, const std::string& id,
                 const ipc::MessageBegin& begin) {
  Origin origin;
  origin.queue_id = id;
  origin.context = header_context(settings, begin.context);
  origin.map_addresses = (begin.flags & ipc::no_address_mappings) == 0;
  origin.arrival = begin.arrival;
  for (const auto& [name, value] : begin.attributes)
    if (name == "full_name") origin.full_name = value;
  return origin;
}

}  // namespace

ipc::RoomAnswer room_for(const Settings& settings, const queue::Spool& spool,
                         std::int64_t size_hint) {
  ipc::RoomAnswer answer;
  const Result<std::uint64_t> free = spool.free_bytes();
  if (!free) return answer;  // writing will tell
  const std::int64_t largest = settings.message_size_limit;
  answer.free_bytes = static_cast<std::int64_t>(
      std::min<std::uint64_t>(*free, std::numeric_limits<std::int64_t>::max()));
  if (answer.free_bytes < settings.queue_minfree)
    answer.why = fmt::format("{} bytes < queue_minfree {}", answer.free_bytes,
                             settings.queue_minfree);
  else if (answer.free_bytes / 3 < largest / 2)
    answer.why = fmt::format("{} bytes < 1.5*message size limit",
                             answer.free_bytes);
  else if (answer.free_bytes - settings.queue_minfree < size_hint)
    answer.why = fmt::format("{} bytes < queue_minfree and the {} bytes that "
                             "the client has announced",
                             answer.free_bytes, size_hint);
  answer.room = answer.why.empty();
  return answer;
}

Result<std::unique_ptr<Submission>> Submission::create(
    const Means& means, ipc::MessageBegin begin, std::string_view mail_class) {
  // Notices are small, and tell whoever can make room.
  const bool notice = (begin.flags & ipc::internal_notice) != 0;
  const ipc::RoomAnswer room = room_for(means.settings, means.spool, 0);
  if (!room.room && !notice) {
    means.log.warning("not enough free space in the mail queue in {}: {}",
                      means.spool.directory(), room.why);
    return try_later("3.1", "Insufficient system storage");
  }
  if (begin.arrival <= 0) begin.arrival = wall_clock();
  Result<std::unique_ptr<queue::Draft>> draft =
      means.spool.create(wall_clock());
  if (!draft) {
    means.log.warning(draft.trouble().text);
    if (draft.trouble().detail == "3.1")
      return try_later("3.1", "Insufficient system storage");
    return try_later("3.0", "Error: queue file write error");
  }
  const std::set<std::string>& classes = means.settings.utf8_classes;
  const bool detect = classes.count(std::string(mail_class)) > 0 ||
                      classes.count("all") > 0;
  return std::unique_ptr<Submission>(
      new Submission(means, std::move(*draft), std::move(begin), detect));
}

Submission::Submission(const Means& means, std::unique_ptr<queue::Draft> draft,
                       ipc::MessageBegin begin, bool detect_utf8)
    : means_(means),
      id_(draft->id()),
      draft_(std::move(draft)),
      begin_(std::move(begin)),
      detect_utf8_(detect_utf8),
      mapper_(means_.settings, means_.book, means_.log),
      envelope_(means_.settings, means_.book, mapper_, id_),
      headers_(means_.settings, means_.book, mapper_, means_.log,
               origin_of(means_.settings, id_, begin_)),
      checks_(means_.settings, means_.book, means_.log, envelope_, id_),
      content_(means_.settings, means_.log, headers_, checks_, *draft_,
               envelope_.sender()) {}

void Submission::fail(Trouble trouble) {
  if (!trouble_) trouble_ = std::move(trouble);
}

Task<void> Submission::start() {
  Status done = co_await envelope_.begin(std::move(begin_));
  if (!done) fail(done.trouble());
}

Task<void> Submission::recipient(ipc::MessageRecipient recipient) {
  if (failed()) co_return;
  Status done = co_await envelope_.add(std::move(recipient));
  if (done && envelope_.envelope().recipients.size() >= most_recipients)
    done = draft_->set_aside(envelope_.envelope().recipients);
  if (!done) fail(done.trouble());
}

Task<void> Submission::content(std::string bytes) {
  received_ += static_cast<std::int64_t>(bytes.size());
  if (failed()) co_return;
  Status done = co_await content_.feed(std::move(bytes));
  if (!done) fail(done.trouble());
}

Task<ipc::MessageVerdict> Submission::finish() {
  ipc::MessageVerdict verdict;
  verdict.queue_id = id_;
  if (!failed()) {
    Status done = co_await content_.finish();
    if (!headers_.body_type().empty()) envelope_.set_body(headers_.body_type());
    if (content_.converted()) envelope_.set_body("7BIT");
    if (done) {
      done = co_await envelope_.close();
    }
    note_utf8();
    if (done && !envelope_.has(ipc::discard_message)) {
      verdict.size = draft_->content_size();
      done = co_await store();
    }
    if (!done) fail(done.trouble());
  }
  if (failed()) verdict.trouble = ipc::TroubleWire::from(*trouble_);
  draft_.reset();
  co_return std::move(verdict);
}

// A message that is not plain ASCII where only SMTPUTF8 may carry more needs
// it, whether its sender has said so or not (RFC 6531 section 3.2).
void Submission::note_utf8() {
  if (!detect_utf8_ || envelope_.has(ipc::smtputf8_requested)) return;
  const queue::Envelope& envelope = envelope_.envelope();
  const bool needed =
      headers_.beyond_ascii() || !all_ascii(envelope.sender) ||
      std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                  [](const queue::Recipient& each) {
                    return !all_ascii(each.address);
                  });
  if (!needed) return;
  ipc::MessageMark mark;
  mark.flags = ipc::smtputf8_requested;
  envelope_.mark(mark);
}

void Submission::prepare_report(const queue::Draft& draft) {
  report_.emplace();
  report_->kind = "success";
  report_->queue_id = id_;
  report_->message = Fd(::fcntl(draft.fd(), F_DUPFD_CLOEXEC, 0));
  report_->layout = draft.layout_bytes();
  report_->envelope = draft.envelope_bytes();
  report_->recipients = envelope_.expanded();
}

Task<Status> Submission::store() {
  const bool hold = envelope_.has(ipc::hold_message);
  if (envelope_.redirected()) draft_->drop_set_aside();
  const bool many = draft_->set_aside();
  Status done = draft_->finish(envelope_.envelope(),
                               hold ? queue::Box::hold : queue::Box::incoming);
  if (done) {
    const std::shared_ptr<SyncPool::Work> work =
        means_.syncs.begin(std::move(draft_));
    // The disk and the tables work at the same time.
    ipc::MessageAdmit admit;
    // Probes go their own ways (address_verify_transport_maps), which qmgr
    // knows.
    if (!hold && !many && !envelope_.has(ipc::address_probe)) {
      admit.routes = co_await envelope_.resolve();
    }
    const bool in_time = co_await work->done.wait(sync_limit);
    if (!in_time)
      done = try_later("3.0", "sync " + id_ + ": the disk does not answer");
    else
      done = work->status;
    if (done) {
      work->draft->keep();
      if (!envelope_.expanded().empty()) prepare_report(*work->draft);
      admit.queue_id = id_;
      // One with very many recipients is read from the file.
      if (!many) {
        admit.layout = work->draft->layout_bytes();
        admit.envelope = work->draft->envelope_bytes();
      }
      if (!hold) means_.admission.announce(std::move(admit));
      co_return Status();
    }
  }
  means_.log.warning("{}: {}", id_, done.trouble().text);
  if (done.trouble().detail == "3.1")
    co_return try_later("3.1", "Insufficient system storage");
  co_return try_later("3.0", "Error: queue file write error");
}

}  // namespace postern::cleanup
