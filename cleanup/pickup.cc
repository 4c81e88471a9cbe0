#include "cleanup/pickup.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/received.h"
#include "common/os/files.h"
#include "common/service/delivery_log.h"

namespace postern::cleanup {
namespace {

// Messages in flight share the disk's commits.
constexpr std::size_t at_a_time = 20;
constexpr std::size_t piece = 65536;
// An unfinished file older than this is what a dead postdrop left.
constexpr std::int64_t abandoned_after = 3600;
// Of a line that is dropped, so much is remembered.
constexpr std::size_t longest_start = 1024;
// What a submitter may ask for.
constexpr std::int64_t submitted_flags =
    ipc::smtputf8_requested | ipc::report_deliveries | ipc::verify_only;
constexpr std::int64_t all_notify = ipc::notify_never | ipc::notify_success |
                                    ipc::notify_failure | ipc::notify_delay;

// What remains after the marks that mail readers put before such lines; of a
// line with more marks than anybody puts, nothing.
std::string_view unmarked(std::string_view line) {
  constexpr std::size_t most_marks = 64;
  const std::size_t marks =
      std::min(line.find_first_not_of('>'), line.size());
  return marks <= most_marks ? line.substr(marks) : "?";
}

bool is_from_line(std::string_view line) {
  return unmarked(line).starts_with("From ");
}

bool could_be_from_line(std::string_view start) {
  return std::string_view("From ").starts_with(unmarked(start));
}

}  // namespace

std::int64_t parse_override_options(std::string_view list) {
  std::int64_t flags = 0;
  for (const std::string& word : split_words(list)) {
    if (equal_nocase(word, "no_header_body_checks"))
      flags |= ipc::no_header_body_checks;
    if (equal_nocase(word, "no_address_mappings"))
      flags |= ipc::no_address_mappings;
    if (equal_nocase(word, "no_milters")) flags |= ipc::no_milters;
    if (equal_nocase(word, "no_unknown_recipient_checks"))
      flags |= ipc::no_unknown_recipient_checks;
  }
  return flags;
}

std::string SubmissionStart::feed(std::string bytes) {
  if (started_) return bytes;
  kept_ += bytes;
  for (;;) {
    const std::size_t end = kept_.find('\n');
    if (is_from_line(kept_)) {
      if (end != std::string::npos) {
        kept_.erase(0, end + 1);
        continue;
      }
      kept_.resize(std::min<std::size_t>(kept_.size(), longest_start));
      return {};
    }
    if (could_be_from_line(kept_)) return {};
    started_ = true;
    std::string out = finish();
    if (out.starts_with(' ') || out.starts_with('\t')) out.insert(0, "\n");
    return out;
  }
}

Pickup::Pickup(const Means& means, Notices& notices, PickupOptions options,
               log::Log log)
    : means_(means),
      notices_(notices),
      options_(std::move(options)),
      log_(std::move(log)),
      pump_timer_([this] { pump(); }) {}

void Pickup::wake() {
  if (stopped_) return;
  if (!waiting_.empty()) {
    again_ = true;
    return;
  }
  scan();
  pump();
}

void Pickup::scan() {
  again_ = false;
  const Status done = means_.spool.scan(
      queue::Box::maildrop, [this](const std::string& name) {
        if (failed_.count(name) == 0 && known_.insert(name).second)
          waiting_.push_back(name);
        return true;
      });
  if (!done) log_.warning(done.trouble().text);
}

void Pickup::pump() {
  if (waiting_.empty() && again_ && !stopped_) scan();
  while (!stopped_ && !waiting_.empty() && nursery_.size() < at_a_time) {
    std::string id = std::move(waiting_.front());
    waiting_.pop_front();
    nursery_.start(take(std::move(id)));
  }
}

Task<void> Pickup::take(std::string id) {
  queue::OpenedSubmission opened = queue::open_maildrop(means_.spool, id);
  if (opened.submission) {
    co_await submit(&*opened.submission);
  } else {
    const std::optional<std::int64_t> written =
        means_.spool.modified(queue::Box::maildrop, id);
    const bool old =
        written && *written + abandoned_after < std::time(nullptr);
    if (opened.why == queue::Unreadable::trouble)
      log_.warning(opened.text);
    else if (opened.why == queue::Unreadable::damaged ||
             (opened.why == queue::Unreadable::unfinished && old))
      set_aside(id, opened.text);
  }
  known_.erase(id);
  // By the clock, so that the places of this task and of all that end with it
  // are free by then: tasks that end together would each see a full house.
  if (!waiting_.empty() || again_) pump_timer_.start(Millis(0));
}

void Pickup::set_aside(const std::string& id, const std::string& why) {
  const Status moved = means_.spool.move(id, queue::Box::maildrop,
                                         queue::Box::corrupt);
  if (moved)
    log_.warning("maildrop/{}: {}; moved to corrupt", id, why);
  else
    log_.warning("maildrop/{}: {}; {}", id, why, moved.trouble().text);
}

void Pickup::remove(const std::string& id) {
  const Status removed = means_.spool.remove(queue::Box::maildrop, id);
  if (removed) return;
  log_.warning(removed.trouble().text);
  failed_.insert(id);
}

ipc::MessageBegin Pickup::begin_of(const queue::Submission& file) const {
  const queue::Envelope& envelope = file.message.envelope;
  const bool trusted = file.owner == options_.trusted;
  ipc::MessageBegin begin;
  const std::int64_t now = wall_clock();
  begin.arrival = envelope.arrival <= 0 || envelope.arrival > now
                      ? now
                      : envelope.arrival;
  begin.sender = envelope.sender;
  begin.flags = options_.flags | (envelope.flags & submitted_flags);
  // sendmail -G: the addresses are complete.
  begin.context = envelope.context == "remote" ? "remote" : "local";
  begin.body = envelope.body;
  begin.envid = envelope.envid;
  begin.ret = envelope.ret;
  begin.filter = options_.filter;
  for (const auto& attribute : envelope.attributes)
    if (trusted || attribute.first == "full_name" ||
        attribute.first == "verp_delimiters")
      begin.attributes.push_back(attribute);
  return begin;
}

Task<void> Pickup::submit(queue::Submission* file) {
  Result<std::unique_ptr<Submission>> made =
      Submission::create(means_, begin_of(*file), "sendmail");
  // Logged already; the next look into maildrop tries again.
  if (!made) co_return;
  const std::unique_ptr<Submission> submission = std::move(*made);
  const queue::Envelope& envelope = file->message.envelope;
  log_.info("{}: uid={} from=<{}>", submission->id(), file->owner,
            mail::quote_local_822(envelope.sender));
  co_await submission->start();
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    const queue::Recipient& from = envelope.recipients[i];
    if (from.done) continue;
    ipc::MessageRecipient recipient;
    recipient.address =
        file->owner == options_.trusted && !from.original.empty()
            ? from.original
            : from.address;
    recipient.orcpt = from.orcpt;
    recipient.notify = from.notify & all_notify;
    co_await submission->recipient(std::move(recipient));
  }

  mail::Received received;
  received.hostname = means_.settings.myhostname;
  received.mail_name = means_.settings.mail_name;
  received.queue_id = submission->id();
  received.when = std::time(nullptr);
  received.user_id = static_cast<std::uint32_t>(file->owner);
  std::string top = mail::received_header(received) + "\n";
  co_await submission->content(std::move(top));

  SubmissionStart start;
  const queue::Layout& layout = file->message.layout;
  std::int64_t at = layout.content_offset;
  std::int64_t left = layout.content_size;
  while (left > 0 && !submission->failed()) {
    const auto want = static_cast<std::size_t>(
        std::min<std::int64_t>(left, static_cast<std::int64_t>(piece)));
    Result<std::string> bytes = os::read_at(file->message.fd.get(), want, at,
                                            "maildrop/" + file->message.id);
    if (!bytes || bytes->size() != want) {
      log_.warning("maildrop/{}: {}", file->message.id,
                   bytes ? "it became shorter" : bytes.trouble().text);
      co_return;
    }
    at += static_cast<std::int64_t>(want);
    left -= static_cast<std::int64_t>(want);
    std::string usable = start.feed(std::move(*bytes));
    co_await submission->content(std::move(usable));
  }
  std::string rest = start.finish();
  co_await submission->content(std::move(rest));

  ipc::MessageVerdict verdict = co_await submission->finish();
  bool settled = !verdict.trouble.present;
  if (!settled && verdict.trouble.permanent) {
    settled = co_await bounce(file, submission.get(), std::move(verdict));
  }
  if (settled) remove(file->message.id);
  std::optional<ipc::NoticeRequest> report = submission->take_report();
  if (report) {
    co_await notices_.tell(std::move(*report));
  }
}

// Nobody waits for a reply: who sent it gets a notice instead.
Task<bool> Pickup::bounce(queue::Submission* file,
                          const Submission* submission,
                          ipc::MessageVerdict verdict) {
  const Trouble trouble = verdict.trouble.trouble();
  std::string text = trouble.text;
  if (text.starts_with("Error: ")) text.erase(0, 7);
  queue::Envelope envelope = submission->envelope();
  if (envelope.recipients.empty()) {
    // Refused before they were taken in, or there are none.
    envelope.recipients = file->message.envelope.recipients;
    if (envelope.recipients.empty()) {
      envelope.recipients.resize(1);
      envelope.recipients.front().address = "unknown";
    }
  }
  ipc::NoticeRequest request;
  request.kind = "failure";
  request.queue_id = verdict.queue_id;
  request.layout = queue::encode_layout(file->message.layout);
  request.message = std::move(file->message.fd);
  for (const queue::Recipient& from : envelope.recipients) {
    ipc::NoticeRecipient to;
    to.address = from.address;
    to.original = from.original;
    to.orcpt = from.orcpt;
    to.notify = from.notify;
    to.action = "failed";
    to.status = trouble.status();
    to.text = text;
    DeliveryEvent event;
    event.queue_id = verdict.queue_id;
    event.recipient = from.address;
    event.original = from.original;
    event.relay = "none";
    event.times.arrival = envelope.arrival;
    event.times.activated = event.times.started = event.times.done =
        wall_clock();
    event.dsn = to.status;
    event.status = "bounced";
    event.text = text;
    log_delivery(means_.log, event);
    request.recipients.push_back(std::move(to));
  }
  request.envelope = queue::encode_envelope(envelope);
  const ipc::NoticeDone done = co_await notices_.tell(std::move(request));
  co_return !done.trouble.present;
}

}  // namespace postern::cleanup
