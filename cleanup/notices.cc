#include "cleanup/notices.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "common/mail/header.h"
#include "common/mail/received.h"
#include "common/os/files.h"

namespace postern::cleanup {
namespace {

constexpr std::size_t template_file_limit = 1u << 20;
constexpr std::size_t piece = 65536;

std::optional<mail::NoticeKind> kind_from(const std::string& name) {
  for (const mail::NoticeKind kind :
       {mail::NoticeKind::failure, mail::NoticeKind::delay,
        mail::NoticeKind::success, mail::NoticeKind::verify})
    if (name == mail::to_text(kind)) return kind;
  return std::nullopt;
}

std::time_t seconds(std::int64_t microseconds) {
  return static_cast<std::time_t>(microseconds / 1000000);
}

// The content of a queue file, line by line.
class ContentLines {
 public:
  ContentLines(int fd, const queue::Layout& layout)
      : fd_(fd), at_(layout.content_offset), left_(layout.content_size) {}

  std::optional<std::string> next() {
    for (;;) {
      const std::size_t end = buffer_.find('\n', start_);
      if (end != std::string::npos) {
        std::string line = buffer_.substr(start_, end - start_);
        start_ = end + 1;
        return line;
      }
      if (!refill()) break;
    }
    if (start_ >= buffer_.size()) return std::nullopt;
    std::string line = buffer_.substr(start_);
    start_ = buffer_.size();
    return line;
  }

 private:
  bool refill() {
    const auto want = static_cast<std::size_t>(
        std::min<std::int64_t>(left_, static_cast<std::int64_t>(piece)));
    if (want == 0) return false;
    const Result<std::string> bytes =
        os::read_at(fd_, want, at_, "the original message");
    if (!bytes || bytes->empty()) return false;
    buffer_.erase(0, start_);
    start_ = 0;
    buffer_ += *bytes;
    at_ += static_cast<std::int64_t>(bytes->size());
    left_ -= static_cast<std::int64_t>(bytes->size());
    return true;
  }

  int fd_;
  std::int64_t at_;
  std::int64_t left_;
  std::string buffer_;
  std::size_t start_ = 0;
};

struct Thread {
  std::string references;
  std::string message_id;
};

// Where a notice belongs in the sender's thread (enable_threaded_bounces).
Thread thread_of(ContentLines lines) {
  Thread out;
  mail::HeaderSplitter splitter;
  std::optional<mail::Header> header;
  const auto take = [&out](const mail::Header& h) {
    if (equal_nocase(h.name(), "Message-Id")) out.message_id = h.value();
    if (equal_nocase(h.name(), "References")) out.references = h.value();
    if (equal_nocase(h.name(), "In-Reply-To") && out.references.empty())
      out.references = h.value();
  };
  for (;;) {
    const std::optional<std::string> line = lines.next();
    const auto kind =
        line ? splitter.feed(*line, header) : mail::HeaderSplitter::Line::body;
    if (!line) header = splitter.finish();
    if (header) take(*header);
    if (kind != mail::HeaderSplitter::Line::header) return out;
  }
}

std::string complete(const std::string& address, const std::string& origin) {
  return address.find('@') == std::string::npos ? address + "@" + origin
                                                : address;
}

}  // namespace

struct Notices::Original {
  mail::NoticeKind kind = mail::NoticeKind::failure;
  queue::Layout layout;
  queue::Envelope envelope;
};

NoticeRules read_notice_rules(const config::Config& config) {
  NoticeRules rules;
  for (const std::string& name :
       split_words(config.get<"notify_classes">())) {
    if (equal_nocase(name, "bounce")) rules.bounce = true;
    if (equal_nocase(name, "2bounce")) rules.double_bounce = true;
    if (equal_nocase(name, "delay")) rules.delay = true;
  }
  rules.bounce_recipient = config.get<"bounce_notice_recipient">();
  rules.double_bounce_recipient = config.get<"2bounce_notice_recipient">();
  rules.delay_recipient = config.get<"delay_notice_recipient">();
  rules.double_bounce_sender = complete(config.get<"double_bounce_sender">(),
                                        config.get<"myorigin">());
  rules.size_limit = config.get<"bounce_size_limit">();
  return rules;
}

Notices::Notices(const Means& means, const config::Config& config,
                 log::Log log)
    : means_(means),
      config_(config),
      log_(std::move(log)),
      rules_(read_notice_rules(config)),
      templates_(mail::built_in_templates()) {
  const std::vector<std::string> filtered =
      split_words(config.get<"internal_mail_filter_classes">());
  for (const std::string& name : filtered)
    if (equal_nocase(name, "bounce")) filter_flags_ = 0;
  const std::string file = config.get<"bounce_template_file">();
  if (!file.empty()) load_templates(file);
}

void Notices::load_templates(const std::string& file) {
  const Result<std::string> text = os::read_file(file, template_file_limit);
  if (!text) {
    log_.warning(text.trouble().text + "; the built-in notices are used");
    return;
  }
  mail::TemplateFile read = mail::parse_bounce_templates(*text, file);
  for (const std::string& warning : read.warnings) log_.warning(warning);
  templates_ = std::move(read.templates);
}

Task<ipc::NoticeDone> Notices::tell(ipc::NoticeRequest request) {
  ipc::NoticeDone done;
  Original original;
  const std::optional<mail::NoticeKind> kind = kind_from(request.kind);
  std::optional<queue::Layout> layout = queue::decode_layout(request.layout);
  std::optional<queue::Envelope> envelope =
      queue::decode_envelope(request.envelope);
  if (!kind || !layout || !envelope || !request.message) {
    log_.warning("{}: a request for a notice that cannot be read",
                 request.queue_id);
    done.trouble = ipc::TroubleWire::from(
        try_later("3.0", "cleanup could not read the request"));
    co_return std::move(done);
  }
  original.kind = *kind;
  original.layout = *layout;
  original.envelope = std::move(*envelope);

  NoticeSubject subject;
  subject.kind = *kind;
  subject.sender = original.envelope.sender;
  subject.ret = original.envelope.ret;
  subject.size = original.layout.content_size;
  for (const ipc::NoticeRecipient& recipient : request.recipients)
    subject.notify.push_back(recipient.notify);
  const NoticeDecision decision = decide_notices(rules_, subject);
  if (decision.discarded)
    log_.warning("{}: undeliverable postmaster notification discarded",
                 request.queue_id);
  for (std::size_t i = 0; i < decision.due.size(); ++i) {
    DueNotice due = decision.due[i];
    Result<std::string> sent =
        co_await send(std::move(due), &request, &original);
    if (sent) {
      log_.info("{}: {}: {}", request.queue_id, decision.due[i].what, *sent);
      if (i == 0) done.queue_id = *sent;
    } else if (i == 0) {
      done.trouble = ipc::TroubleWire::from(sent.trouble());
      break;
    } else {
      log_.warning("{}: no {}: {}", request.queue_id, decision.due[i].what,
                   sent.trouble().text);
    }
  }
  co_return std::move(done);
}

Task<Result<std::string>> Notices::send(DueNotice due,
                                        const ipc::NoticeRequest* request,
                                        const Original* original) {
  ipc::MessageBegin begin;
  begin.sender = due.from;
  begin.context = "local";
  begin.flags = ipc::internal_notice |
                (original->envelope.flags & ipc::smtputf8_requested) |
                filter_flags_;
  Result<std::unique_ptr<Submission>> made = Submission::create(
      means_, std::move(begin), due.postmaster_copy ? "notify" : "bounce");
  if (!made) co_return made.trouble();
  const std::unique_ptr<Submission> submission = std::move(*made);
  co_await submission->start();
  ipc::MessageRecipient to;
  to.address = due.to;
  co_await submission->recipient(std::move(to));
  std::string text = compose(due, *request, *original, submission->id());
  co_await submission->content(std::move(text));
  const ipc::MessageVerdict verdict = co_await submission->finish();
  if (verdict.trouble.present) co_return verdict.trouble.trouble();
  co_return submission->id();
}

std::string Notices::compose(const DueNotice& due,
                             const ipc::NoticeRequest& request,
                             const Original& original,
                             const std::string& queue_id) {
  const Settings& settings = means_.settings;
  mail::Notice notice;
  notice.kind = original.kind;
  notice.postmaster_copy = due.postmaster_copy;
  notice.recipient = complete(due.to, settings.myorigin);
  notice.date = std::time(nullptr);
  mail::Received received;
  received.hostname = settings.myhostname;
  received.mail_name = settings.mail_name;
  received.queue_id = queue_id;
  received.when = notice.date;
  notice.received = mail::received_header(received);
  notice.hostname = settings.myhostname;
  notice.origin = settings.myorigin;
  notice.mail_name = settings.mail_name;
  notice.boundary =
      mail::notice_boundary(request.queue_id, notice.date, settings.myhostname);
  notice.queue_id = request.queue_id;
  notice.sender = original.envelope.sender;
  notice.envelope_id = original.envelope.envid;
  notice.arrival = seconds(original.envelope.arrival);
  notice.smtputf8 =
      (original.envelope.flags & ipc::smtputf8_requested) != 0;
  notice.full_message = due.full_message;

  std::time_t retry_until = 0;
  if (original.kind == mail::NoticeKind::delay) {
    const std::chrono::seconds lifetime =
        original.envelope.sender.empty()
            ? config_.get<"bounce_queue_lifetime">()
            : config_.get<"maximal_queue_lifetime">();
    retry_until = notice.arrival + static_cast<std::time_t>(lifetime.count());
  }
  for (const std::size_t index : due.recipients) {
    const ipc::NoticeRecipient& from = request.recipients[index];
    notice.recipients.push_back({from.address, from.original, from.orcpt,
                                 from.action, from.status, from.text,
                                 from.diagnostic_type, from.diagnostic,
                                 from.remote_mta, retry_until});
  }

  if (config_.boolean("enable_threaded_bounces") && !due.postmaster_copy) {
    const Thread thread =
        thread_of(ContentLines(request.message.get(), original.layout));
    notice.in_reply_to = thread.message_id;
    notice.references = thread.references;
    if (!thread.references.empty() && !thread.message_id.empty())
      notice.references += " ";
    notice.references += thread.message_id;
  }

  const mail::BounceTemplate& form = templates_.of(original.kind);
  mail::TemplateParameters parameters;
  parameters.value =
      [this](std::string_view name) -> std::optional<std::string> {
    if (!config_.find(name)) return std::nullopt;
    return config_.text(name);
  };
  parameters.delay_warning_time =
      config_.get<"delay_warning_time">().count();
  parameters.maximal_queue_lifetime =
      config_.get<"maximal_queue_lifetime">().count();
  std::vector<std::string> warnings;
  Result<std::string> words =
      mail::expand_template(original.kind, form, parameters, &warnings);
  if (!words) {
    log_.warning(words.trouble().text);
    words = mail::expand_template(
        original.kind, mail::built_in_templates().of(original.kind),
        parameters, &warnings);
  }
  ContentLines lines(request.message.get(), original.layout);
  std::string out;
  mail::compose_notice(
      notice, form, words ? *words : std::string(),
      [&lines] { return lines.next(); },
      [&out](std::string_view line) {
        out += line;
        out += '\n';
      });
  return out;
}

}  // namespace postern::cleanup
