#include "tools/queue_file_print.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <optional>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/queue/envelope.h"

namespace postern::tools {
namespace {

constexpr std::size_t piece = 65536;

Trouble invalid() { return give_up("3.0", "input is not a valid queue file"); }

std::string date(std::int64_t microseconds) {
  const auto seconds = static_cast<time_t>(microseconds / 1000000);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char buffer[40] = "";
  ::strftime(buffer, sizeof buffer, "%a %b %e %H:%M:%S %Y", &parts);
  return buffer;
}

std::string attribute(std::string_view name, std::string_view value) {
  return fmt::format("named_attribute: {}={}", name, value);
}

class Printer {
 public:
  Printer(int fd, const std::string& name, const PrintRules& rules,
          const std::function<void(std::string_view)>& out)
      : fd_(fd), name_(name), rules_(rules), out_(out) {}

  Status print();

 private:
  Status read_parts();
  void print_envelope();
  void envelope_line(std::string_view line, std::int64_t at);
  void recipient(std::string_view line, std::string_view value,
                 std::int64_t at);
  Status print_content();
  void content_line(std::string_view line, std::int64_t at);
  void title(std::string_view text) {
    if (rules_.envelope) out_(fmt::format("*** {} {} ***\n", text, name_));
  }
  void line(std::int64_t at, char type, std::string_view text);

  int fd_;
  const std::string& name_;
  const PrintRules& rules_;
  const std::function<void(std::string_view)>& out_;
  queue::Layout layout_;
  std::string envelope_bytes_;
  queue::Envelope envelope_;
  bool in_header_ = true;
  std::string original_;  // of the next recipient
};

Status Printer::read_parts() {
  const Result<std::string> head = os::read_at(
      fd_, static_cast<std::size_t>(queue::preamble_size), 0, name_);
  if (!head) return head.trouble();
  const auto layout = queue::decode_layout(*head);
  if (!layout) return invalid();
  layout_ = *layout;
  Result<std::string> bytes =
      os::read_at(fd_, static_cast<std::size_t>(layout->envelope_size),
                  layout->envelope_offset, name_);
  if (!bytes) return bytes.trouble();
  const auto envelope = queue::decode_envelope(*bytes);
  if (!envelope) return invalid();
  envelope_bytes_ = std::move(*bytes);
  envelope_ = *envelope;
  return {};
}

void Printer::line(std::int64_t at, char type, std::string_view text) {
  std::string prefix;
  if (rules_.offsets) prefix += fmt::format("{:9} ", at);
  if (rules_.types)
    prefix += fmt::format("{:3} ", static_cast<unsigned char>(type));
  out_(fmt::format("{}{}\n", prefix, text));
}

void Printer::recipient(std::string_view text, std::string_view value,
                        std::int64_t at) {
  if (original_.empty()) original_ = value;
  line(at, text[0], "original_recipient: " + original_);
  line(at, text[0],
       fmt::format("{}: {}",
                   text[1] == queue::mark_done ? "done_recipient" : "recipient",
                   value));
  original_.clear();
}

void Printer::envelope_line(std::string_view text, std::int64_t at) {
  const std::string value =
      queue::unescape(text.substr(std::min<std::size_t>(2, text.size())))
          .value_or("");
  // Shown as it lies in the file where a control character is in it.
  const std::string shown = printable_utf8(value);
  const auto put = [&](const std::string& what) { line(at, text[0], what); };
  switch (text[0]) {
    case 'T':
      put("message_arrival_time: " + date(parse_number(value).value_or(0)));
      break;
    case 'S': put("sender: " + shown); break;
    case 'I': put(attribute("envelope_id", shown)); break;
    case 'E': put(attribute("ret_flags", value == "FULL" ? "1" : "2")); break;
    case 'B':
      put(attribute("encoding", value == "8BITMIME" ? "8bit" : "7bit"));
      break;
    case 'C': put(attribute("rewrite_context", shown)); break;
    case 'F': put("content_filter: " + shown); break;
    case 'G': put(attribute("message_flags", shown)); break;
    case 'A':
      put(shown.starts_with("full_name=")
              ? "sender_fullname: " + shown.substr(10)
              : "named_attribute: " + shown);
      break;
    case 'O': original_ = shown; break;
    case 'D': put(attribute("dsn_orig_rcpt", shown)); break;
    case 'N': put(attribute("notify_flags", shown)); break;
    case 'R': recipient(text, shown, at); break;
    default: break;
  }
}

void Printer::print_envelope() {
  title("ENVELOPE RECORDS");
  if (!rules_.envelope) return;
  line(0, 'p',
       fmt::format("message_size: {:>15} {:>15} {:>15} {:>15} {:>15} {:>15}",
                   layout_.content_size, layout_.content_offset,
                   envelope_.recipients.size(), envelope_.flags,
                   layout_.content_size, 0));
  std::int64_t at = layout_.envelope_offset;
  for (const std::string& text : split(envelope_bytes_, '\n')) {
    if (!text.empty()) envelope_line(text, at);
    at += static_cast<std::int64_t>(text.size()) + 1;
  }
}

void Printer::content_line(std::string_view text, std::int64_t at) {
  const bool separator = in_header_ && text.empty();
  if (separator) in_header_ = false;
  if (in_header_ ? !rules_.header : !rules_.body) return;
  line(at, 'N', rules_.verbose ? "regular_text: " + std::string(text)
                               : std::string(text));
}

Status Printer::print_content() {
  title("MESSAGE CONTENTS");
  std::int64_t at = layout_.content_offset;
  std::int64_t line_at = at;
  std::int64_t left = layout_.content_size;
  std::string pending;
  while (left > 0 && (rules_.header || rules_.body)) {
    const auto want = static_cast<std::size_t>(
        std::min<std::int64_t>(left, static_cast<std::int64_t>(piece)));
    const Result<std::string> bytes = os::read_at(fd_, want, at, name_);
    if (!bytes) return bytes.trouble();
    if (bytes->size() != want) return invalid();
    at += static_cast<std::int64_t>(want);
    left -= static_cast<std::int64_t>(want);
    pending += *bytes;
    std::size_t start = 0;
    for (std::size_t end;
         (end = pending.find('\n', start)) != std::string::npos;
         start = end + 1) {
      content_line(std::string_view(pending).substr(start, end - start),
                   line_at);
      line_at += static_cast<std::int64_t>(end - start) + 1;
    }
    pending.erase(0, start);
  }
  if (!pending.empty()) content_line(pending, line_at);
  return {};
}

Status Printer::print() {
  if (Status read = read_parts(); !read) return read;
  if (!rules_.file_order) print_envelope();
  if (Status done = print_content(); !done) return done;
  title("HEADER EXTRACTED");
  if (rules_.file_order) print_envelope();
  title("MESSAGE FILE END");
  return {};
}

}  // namespace

Status print_queue_file(int fd, const std::string& name,
                        const PrintRules& rules,
                        const std::function<void(std::string_view)>& out) {
  return Printer(fd, name, rules, out).print();
}

}  // namespace postern::tools
