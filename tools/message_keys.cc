#include "tools/message_keys.h"

#include <optional>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/mail/header.h"

namespace postern::tools {
namespace {

// What a Content-Type header says about structure (RFC 2045 section 5.1).
struct ContentType {
  std::string type;
  std::string subtype;
  std::string boundary;
};

// A token or a quoted string at the start of `text`, taken off it.
std::string take_value(std::string_view& text) {
  text = trim_left(text);
  std::string value;
  if (!text.empty() && text.front() == '"') {
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
      value += text.front();
      text.remove_prefix(1);
    }
    if (!text.empty()) text.remove_prefix(1);
    return value;
  }
  while (!text.empty() && !is_space(text.front()) &&
         std::string_view("/;=\"").find(text.front()) ==
             std::string_view::npos) {
    value += text.front();
    text.remove_prefix(1);
  }
  return value;
}

ContentType parse_content_type(std::string_view value) {
  ContentType result;
  result.type = to_lower(take_value(value));
  if (!value.empty() && value.front() == '/') value.remove_prefix(1);
  result.subtype = to_lower(take_value(value));
  while (true) {
    const std::size_t semicolon = value.find(';');
    if (semicolon == std::string_view::npos) return result;
    value.remove_prefix(semicolon + 1);
    const std::string name = to_lower(take_value(value));
    value = trim_left(value);
    if (value.empty() || value.front() != '=') continue;
    value.remove_prefix(1);
    const std::string content = take_value(value);
    if (name == "boundary") result.boundary = content;
  }
}

class KeyMaker {
 public:
  KeyMaker(const MessageKeys& wanted,
           const std::function<void(std::string_view)>& use)
      : wanted_(wanted), use_(use) {}

  void line(std::string_view text) {
    if (in_headers_)
      header_line(text);
    else
      body_line(text);
  }

  void finish() {
    if (!in_headers_) return;
    if (const auto last = splitter_.finish()) header(*last);
  }

 private:
  void header_line(std::string_view text) {
    std::optional<mail::Header> completed;
    const auto kind = splitter_.feed(text, completed);
    if (completed) header(*completed);
    if (kind == mail::HeaderSplitter::Line::header) return;
    const bool any = any_header_;
    end_of_headers();
    if (kind == mail::HeaderSplitter::Line::separator) {
      body_key("");
      return;
    }
    // No empty line between: the message gets one.
    if (any) body_key("");
    line(text);
  }

  void header(const mail::Header& one) {
    any_header_ = true;
    if (wanted_.headers) use_(one.text);
    if (wanted_.mime && one.info().id == mail::HeaderId::content_type)
      type_ = parse_content_type(one.value());
  }

  // A new section of headers follows if this part is a message.
  void end_of_headers() {
    in_headers_ = false;
    any_header_ = false;
    if (type_.type == "multipart" && !type_.boundary.empty())
      boundaries_.push_back(type_.boundary);
    const bool nested =
        type_.type == "message" &&
        (type_.subtype == "rfc822" || type_.subtype == "global" ||
         type_.subtype == "partial" || type_.subtype == "external-body");
    type_ = {};
    if (nested) begin_headers();
  }

  void begin_headers() {
    in_headers_ = true;
    any_header_ = false;
    splitter_ = mail::HeaderSplitter();
  }

  void body_line(std::string_view text) {
    if (!boundaries_.empty() && text.starts_with("--")) boundary(text);
    body_key(text);
  }

  void boundary(std::string_view text) {
    for (std::size_t i = boundaries_.size(); i-- > 0;) {
      const std::string& name = boundaries_[i];
      if (!text.substr(2).starts_with(name)) continue;
      const bool last = text.substr(2 + name.size()).starts_with("--");
      boundaries_.resize(last ? i : i + 1);
      if (!last) begin_headers();
      return;
    }
  }

  void body_key(std::string_view text) {
    if (wanted_.body) use_(text);
  }

  const MessageKeys& wanted_;
  const std::function<void(std::string_view)>& use_;
  mail::HeaderSplitter splitter_;
  bool in_headers_ = true;
  bool any_header_ = false;
  ContentType type_;
  std::vector<std::string> boundaries_;
};

}  // namespace

void each_message_key(std::string_view message, const MessageKeys& wanted,
                      const std::function<void(std::string_view)>& use) {
  KeyMaker maker(wanted, use);
  while (!message.empty()) {
    const std::size_t end = message.find('\n');
    std::string_view text = message.substr(0, end);
    message.remove_prefix(end == std::string_view::npos ? message.size()
                                                        : end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    maker.line(text);
  }
  maker.finish();
}

}  // namespace postern::tools
