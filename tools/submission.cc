#include "tools/submission.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"

namespace postern::tools {
namespace {

// Content is handed on in pieces of about this size.
constexpr std::size_t piece = 65536;
constexpr std::int64_t all_notify = ipc::notify_never | ipc::notify_success |
                                    ipc::notify_failure | ipc::notify_delay;

Trouble unexpected(char type) {
  return give_up("6.0", fmt::format("unexpected record type: {}",
                                    static_cast<unsigned char>(type)));
}

}  // namespace

std::int64_t notify_bits(const mail::Notify& notify) {
  std::int64_t bits = 0;
  if (notify.never) bits |= ipc::notify_never;
  if (notify.success) bits |= ipc::notify_success;
  if (notify.failure) bits |= ipc::notify_failure;
  if (notify.delay) bits |= ipc::notify_delay;
  return bits;
}

Result<std::optional<Record>> SubmissionReader::next() {
  Result<std::optional<Record>> record = records_.next();
  if (record && !*record) called_off_ = true;
  return record;
}

Result<std::optional<queue::Envelope>> SubmissionReader::head() {
  queue::Envelope envelope;
  bool sender = false;
  for (;;) {
    Result<std::optional<Record>> record = next();
    if (!record) return record.trouble();
    if (!*record) return std::optional<queue::Envelope>();
    if ((*record)->type == rec_message) break;
    if ((*record)->type == rec_sender) sender = true;
    if (Status taken = take(**record, envelope); !taken) return taken.trouble();
  }
  if (!sender) return give_up("6.0", "no sender before the content");
  return std::optional<queue::Envelope>(std::move(envelope));
}

Status SubmissionReader::take(const Record& record,
                              queue::Envelope& envelope) {
  switch (record.type) {
    case rec_time:       // the time is ours
    case rec_inspector:  // content_filter is the suite's choice
      return {};
    case rec_full_name:
      envelope.attributes.emplace_back("full_name",
                                       printable_utf8(record.data));
      return {};
    case rec_sender:
      envelope.sender = printable_utf8(record.data);
      return {};
    case rec_verp:
      if (record.data.size() != 2 ||
          record.data.find_first_of("@<>\"\\()[],;:. ") != std::string::npos ||
          !std::all_of(record.data.begin(), record.data.end(),
                       [](unsigned char c) { return std::ispunct(c) != 0; }))
        return give_up("6.0", "bad VERP delimiters: " + printable(record.data));
      envelope.attributes.emplace_back("verp_delimiters", record.data);
      return {};
    case rec_attribute:
      return attribute(record.data, envelope);
    case rec_recipient:
      if (record.data.empty()) return give_up("6.0", "empty recipient");
      recipient_.address = printable_utf8(record.data);
      envelope.recipients.push_back(std::exchange(recipient_, {}));
      return {};
    default:
      return unexpected(record.type);
  }
}

Status SubmissionReader::attribute(std::string_view text,
                                   queue::Envelope& envelope) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return give_up("6.0", "malformed attribute: " + printable(text));
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  const std::optional<std::int64_t> number = parse_number(value);
  if (name == "envelope_id") {
    envelope.envid = printable(value);
  } else if (name == "ret_flags" && number && *number >= 0 && *number <= 2) {
    constexpr const char* words[] = {"", "FULL", "HDRS"};
    envelope.ret = words[*number];
  } else if (name == "encoding" && (value == "7bit" || value == "8bit")) {
    envelope.body = value == "8bit" ? "8BITMIME" : "7BIT";
  } else if (name == "smtputf8" && number) {
    if (*number != 0) envelope.flags |= ipc::smtputf8_requested;
  } else if (name == "trace_flags" && number) {
    if ((*number & trace_verify) != 0) envelope.flags |= ipc::verify_only;
    if ((*number & trace_record) != 0) envelope.flags |= ipc::report_deliveries;
  } else if (name == "notify_flags" && number) {
    recipient_.notify = *number & all_notify;
  } else if (name == "dsn_orig_rcpt") {
    recipient_.orcpt = printable_utf8(value);
  } else if (name == "rewrite_context") {
    envelope.context = value == "remote" ? "remote" : "local";
  } else {
    // It would say what a user may not say.
    return give_up("6.0", "unexpected attribute: " + printable(name));
  }
  return {};
}

Result<std::string> SubmissionReader::content(queue::Envelope& envelope) {
  std::string out;
  while (!ended_ && out.size() < piece) {
    Result<std::optional<Record>> record = next();
    if (!record) return record.trouble();
    if (!*record) return give_up("0.0", "called off");
    switch ((*record)->type) {
      case rec_line:
        (*record)->data += '\n';
        [[fallthrough]];
      case rec_partial:
        size_ += static_cast<std::int64_t>((*record)->data.size());
        out += (*record)->data;
        break;
      case rec_extracted:
        if (Status done = tail(envelope); !done) return done.trouble();
        break;
      case rec_end:
        ended_ = true;
        break;
      default:
        return unexpected((*record)->type);
    }
    if (size_limit_ > 0 && size_ > size_limit_)
      return give_up("3.4", "File too large");
  }
  return out;
}

Status SubmissionReader::tail(queue::Envelope& envelope) {
  for (;;) {
    Result<std::optional<Record>> record = next();
    if (!record) return record.trouble();
    if (!*record) return give_up("0.0", "called off");
    if ((*record)->type == rec_end) break;
    if ((*record)->type != rec_recipient && (*record)->type != rec_attribute)
      return unexpected((*record)->type);
    if (Status taken = take(**record, envelope); !taken) return taken;
  }
  ended_ = true;
  return {};
}

}  // namespace postern::tools
