#include "common/access/replies.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/expand.h"
#include "common/mail/status.h"

namespace postern::access {
namespace {

constexpr auto npos = std::string_view::npos;

std::string censored(std::string text, std::string_view filter) {
  for (char& c : text)
    if (filter.find(c) == npos) c = '_';
  return text;
}

// Values as they are: their dollar signs are doubled, so that they survive.
class OneLevel final : public config::Names {
 public:
  OneLevel(const NameValue& value, std::string_view filter)
      : value_(value), filter_(filter) {}
  std::optional<std::string> find(std::string_view name) const override {
    return replace_all(censored(value_(name), filter_), "$", "$$");
  }

 private:
  const NameValue& value_;
  std::string_view filter_;
};

// "550 5.1.1 " of a reply: code, status if any, with their blanks.
std::string_view head_of(std::string_view reply) {
  if (reply.size() < 4) return reply;
  const std::size_t status = mail::status_length(reply.substr(4));
  if (status == 0) return reply.substr(0, 4);
  return reply.substr(0, std::min(reply.size(), 4 + status + 1));
}

bool is_reply(std::string_view text) {
  return text.size() > 4 && (text[0] == '4' || text[0] == '5') &&
         is_digit(text[1]) && is_digit(text[2]) && text[3] == ' ';
}

// RFC 5248 and section 4.2.3 of RFC 5321: the code that goes with a subject
// and detail.
int code_for(const ipc::TroubleWire& trouble) {
  const std::string_view detail = trouble.detail;
  if (!trouble.permanent) return detail == "3.1" || detail == "3.4" ? 452 : 451;
  if (detail == "3.4" || detail == "2.2" || detail == "2.3") return 552;
  if (detail == "4.0" || detail == "4.6") return 554;
  return 550;
}

}  // namespace

Result<std::string> expand_names(std::string_view text, const NameValue& value,
                                 std::string_view filter) {
  return config::expand(text, OneLevel(value, filter));
}

Result<std::string> with_footer(const std::string& reply,
                                std::string_view footer,
                                const NameValue& value,
                                std::string_view filter) {
  const bool glued = footer.starts_with("\\c");
  if (glued) footer.remove_prefix(2);
  Result<std::string> expanded = expand_names(footer, value, filter);
  if (!expanded) return expanded.trouble();
  const std::string text = replace_all(std::move(*expanded), "\\n", "\n");
  const std::size_t last = reply.rfind('\n');
  const std::string head(
      head_of(std::string_view(reply).substr(last == npos ? 0 : last + 1)));
  std::vector<std::string> lines = split(reply, '\n');
  bool first = true;
  for (const std::string& line : split(text, '\n')) {
    if (std::exchange(first, false) && glued)
      lines.back() += printable_utf8(line, ' ');
    else
      lines.push_back(head + std::string(trim(printable_utf8(line, ' '))));
  }
  for (std::size_t i = 0; i + 1 < lines.size(); ++i)
    if (lines[i].size() > 3) lines[i][3] = '-';
  return join(lines, "\n");
}

std::string wire_form(std::string_view reply) {
  std::string out;
  out.reserve(reply.size() + 2);
  for (const char c : reply) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out += "\r\n";
}

std::string refusal(int code, std::string_view status, std::string_view text,
                    bool soft_bounce) {
  std::string line = fmt::format("{} {} {}", code, status, text);
  if (line.size() > 510) line.resize(510);
  line = printable_utf8(line, ' ');
  if (soft_bounce) line = mail::soften_reply(line);
  line[4] = line[0];
  return line;
}

std::string verdict_reply(const ipc::TroubleWire& trouble) {
  if (is_reply(trouble.text)) return trouble.text;
  return refusal(code_for(trouble), trouble.trouble().status(), trouble.text,
                 false);
}

std::string begin_reply(const ipc::TroubleWire& trouble) {
  if (is_reply(trouble.text)) return trouble.text;
  if (trouble.detail == "3.1") return "452 4.3.1 Insufficient system storage";
  return "451 4.3.0 Error: queue file write error";
}

std::string filter_characters(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const char c = text[++at];
    if (c == 't') out += '\t';
    else if (c == 'n') out += '\n';
    else if (c >= '0' && c <= '7') {
      int value = 0;
      for (int i = 0; i < 3 && at < text.size() && text[at] >= '0' &&
                      text[at] <= '7'; ++i, ++at)
        value = value * 8 + (text[at] - '0');
      --at;
      out += static_cast<char>(value);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace postern::access
