// See status.h.
#include "common/mail/status.h"

#include <utility>

#include "common/base/text.h"

namespace postern::mail {
namespace {

bool is_class(char c) { return c == '2' || c == '4' || c == '5'; }

// One to three digits from `at`; 0 when there are none or more.
std::size_t number_length(std::string_view text, std::size_t at) {
  std::size_t length = 0;
  while (at + length < text.size() && is_digit(text[at + length])) ++length;
  return length <= 3 ? length : 0;
}

// The three digits a reply line starts with, 0 when it is none.
int line_code(std::string_view line) {
  if (line.size() < 3 || (line.size() > 3 && line[3] != ' ' && line[3] != '-'))
    return 0;
  int code = 0;
  for (const char c : line.substr(0, 3)) {
    if (!is_digit(c)) return 0;
    code = code * 10 + (c - '0');
  }
  return code >= 100 ? code : 0;
}

// What follows the code.
std::string_view after_code(std::string_view line) {
  return line.size() > 4 ? trim_left(line.substr(4)) : std::string_view();
}

}  // namespace

std::size_t status_length(std::string_view text) {
  if (text.size() < 5 || !is_class(text[0]) || text[1] != '.') return 0;
  const std::size_t subject = number_length(text, 2);
  if (subject == 0 || 2 + subject >= text.size() || text[2 + subject] != '.')
    return 0;
  const std::size_t detail = number_length(text, 3 + subject);
  const std::size_t end = 3 + subject + detail;
  if (detail == 0 || (end < text.size() && !is_space(text[end]))) return 0;
  return end;
}

bool valid_status(std::string_view text) {
  return !text.empty() && status_length(text) == text.size();
}

StatusText split_status(std::string_view text,
                        std::string_view default_status) {
  const std::size_t length = status_length(text);
  if (length == 0)
    return {std::string(default_status), std::string(trim_left(text))};
  return {std::string(text.substr(0, length)),
          std::string(trim_left(text.substr(length)))};
}

FilteredStatus filter_status(const StatusText& before,
                             std::string_view answer) {
  FilteredStatus out;
  out.now = before;
  const std::size_t length = status_length(answer);
  if (length == 0) {
    out.complaint = "bad status code: " + std::string(answer);
    return out;
  }
  if ((answer[0] == '2') != before.status.starts_with('2')) {
    out.complaint = "bad status code change: " + std::string(answer) +
                    " -- a success cannot become a failure, nor a failure a "
                    "success";
    return out;
  }
  out.now.status = answer.substr(0, length);
  const std::string_view text = trim(answer.substr(length));
  if (!text.empty()) out.now.text = text;
  return out;
}

std::string soften_status(std::string_view status) {
  std::string soft(status);
  if (valid_status(status) && soft[0] == '5') soft[0] = '4';
  return soft;
}

std::string soften_reply(std::string_view reply) {
  std::string soft(reply);
  if (line_code(reply) / 100 != 5) return soft;
  soft[0] = '4';
  const std::size_t at = reply.find_first_not_of(" -", 3);
  if (at != std::string_view::npos && soft[at] == '5' &&
      status_length(reply.substr(at)) > 0)
    soft[at] = '4';
  return soft;
}

std::string status_for_code(int code) {
  const int class_digit = code / 100;
  if (class_digit != 2 && class_digit != 4 && class_digit != 5) return "";
  return std::to_string(class_digit) + ".0.0";
}

int code_for_status(std::string_view status, int default_code) {
  if (status_fits_code(status, default_code)) return default_code;
  if (!valid_status(status)) return default_code;
  return (status[0] - '0') * 100 + 50;
}

bool status_fits_code(std::string_view status, int code) {
  return valid_status(status) && status[0] - '0' == code / 100;
}

std::string ParsedReply::text(std::string_view separator) const {
  return join(lines, separator);
}

std::string_view ParsedReply::last_text() const {
  if (lines.empty()) return {};
  const std::string_view rest = after_code(lines.back());
  return trim_left(rest.substr(status_length(rest)));
}

ReplyParser::Step ReplyParser::feed(std::string_view line) {
  line = trim_right(line);
  const int code = line_code(line);
  const bool last = code != 0 && (line.size() == 3 || line[3] == ' ');
  // The last line is always kept: it decides.
  if (last ||
      (reply_.lines.size() < max_lines && bytes_ + line.size() <= max_bytes)) {
    bytes_ += line.size();
    reply_.lines.emplace_back(line.substr(0, max_bytes));
  }
  if (code == 0) return Step::garbage;
  if (!last) return Step::more;
  reply_.code = code;
  const std::string_view rest = after_code(reply_.lines.back());
  const std::string_view status = rest.substr(0, status_length(rest));
  if (status_fits_code(status, code)) reply_.status = status;
  return Step::done;
}

ParsedReply ReplyParser::take() {
  bytes_ = 0;
  return std::exchange(reply_, {});
}

}  // namespace postern::mail
