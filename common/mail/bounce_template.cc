// See bounce_template.h.
#include "common/mail/bounce_template.h"

#include "common/base/text.h"

namespace postern::mail {
namespace {

constexpr std::array<NoticeKind, 4> kinds = {
    NoticeKind::failure, NoticeKind::delay, NoticeKind::success,
    NoticeKind::verify};

constexpr const char* sender_name = "Mail Delivery System <MAILER-DAEMON>";
constexpr const char* opening =
    "This is the mail system at host $myhostname.\n";
constexpr const char* help =
    "For further assistance, please send mail to postmaster.\n"
    "\n"
    "If you do so, please include this problem report. You can\n"
    "delete your own text from the attached returned message.\n"
    "\n";
constexpr const char* closing = "                   The mail system\n";

constexpr std::string_view template_suffix = "_template";

std::optional<NoticeKind> find_kind(std::string_view name) {
  for (const NoticeKind kind : kinds)
    if (name == std::string(to_text(kind)) + std::string(template_suffix))
      return kind;
  return std::nullopt;
}

bool is_name_character(char c) { return is_alnum(c) || c == '_'; }

// Reads the lines of a template file.
class FileReader {
 public:
  FileReader(std::string_view text, std::string_view name)
      : rest_(text), name_(name) {
    file_.templates = built_in_templates();
  }

  TemplateFile run() {
    for (std::optional<std::string_view> line; (line = next_line());) {
      const std::string_view words = trim(*line);
      if (!words.empty() && words.front() != '#') entry(words);
    }
    return std::move(file_);
  }

 private:
  std::optional<std::string_view> next_line() {
    if (rest_.empty()) return std::nullopt;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view()
                                          : rest_.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    ++line_number_;
    return line;
  }

  std::string where() const {
    return name_ + ", line " + std::to_string(line_number_) + ": ";
  }
  void warn(std::string text) { file_.warnings.push_back(std::move(text)); }

  // "failure_template = <<EOF" and all up to "EOF".
  void entry(std::string_view line) {
    const std::size_t equals = line.find('=');
    const std::string_view name = trim(line.substr(0, equals));
    const std::string_view value = equals == std::string_view::npos
                                       ? std::string_view()
                                       : trim(line.substr(equals + 1));
    const std::string_view marker =
        value.substr(0, 2) == "<<" ? trim(value.substr(2)) : std::string_view();
    if (marker.empty()) {
      warn(where() + "instead of \"" + printable_utf8(line) +
           "\" this should be \"name_template = <<EOF\" -- ignoring this line");
      return;
    }
    const std::string start = where();
    std::optional<std::vector<std::string_view>> lines = here_text(marker);
    const std::optional<NoticeKind> kind = find_kind(name);
    if (!lines) {
      warn(where() + "missing \"" + printable_utf8(marker) + "\" end marker");
    } else if (!kind) {
      warn(start + "unknown template name: " + printable_utf8(name) +
           " -- ignoring this template");
      return;
    }
    if (kind && lines) accept(*kind, *lines);
  }

  std::optional<std::vector<std::string_view>> here_text(
      std::string_view marker) {
    std::vector<std::string_view> lines;
    while (const std::optional<std::string_view> line = next_line()) {
      if (*line == marker) return lines;
      lines.push_back(*line);
    }
    return std::nullopt;
  }

  void accept(NoticeKind kind, const std::vector<std::string_view>& lines) {
    const std::string fault = read_template(kind, lines);
    if (!fault.empty())
      warn(name_ + ": " + fault + " -- ignoring this template");
  }

  // "" or why the template cannot be used.
  std::string read_template(NoticeKind kind,
                            const std::vector<std::string_view>& lines) {
    BounceTemplate read = file_.templates.of(kind);
    read.source = name_;
    const std::string in = " in " + std::string(to_text(kind)) + " template";
    std::size_t at = 0;
    for (; at < lines.size() && !trim(lines[at]).empty(); ++at) {
      const std::size_t colon = lines[at].find(':');
      if (colon == std::string_view::npos) break;  // the text begins at once
      const std::string_view label = trim(lines[at].substr(0, colon));
      if (label.find_first_of(" \t") != std::string_view::npos) break;
      const std::string_view value = trim(lines[at].substr(colon + 1));
      const std::string quoted = "\"" + printable_utf8(label) + "\" header";
      std::string* field = header_field(read, label);
      if (!field) return "unknown " + quoted + " label" + in;
      if (value.empty()) return "empty " + quoted + " value" + in;
      if (!all_ascii(value) || value.find('\0') != std::string_view::npos)
        return "non-ASCII " + quoted + " value" + in;
      *field = value;
    }
    if (at < lines.size() && trim(lines[at]).empty()) ++at;
    if (at == lines.size()) return "missing message text" + in;
    read.text.clear();
    for (; at < lines.size(); ++at) read.text.append(lines[at]).append("\n");
    if (!all_ascii(read.text) && equal_nocase(read.charset, "us-ascii"))
      return "8-bit message text" + in + " needs a Charset other than us-ascii";
    file_.templates.templates[static_cast<std::size_t>(kind)] = std::move(read);
    return {};
  }

  static std::string* header_field(BounceTemplate& read,
                                   std::string_view label) {
    if (equal_nocase(label, "Charset")) return &read.charset;
    if (equal_nocase(label, "From")) return &read.from;
    if (equal_nocase(label, "Subject")) return &read.subject;
    if (equal_nocase(label, "Postmaster-Subject"))
      return &read.postmaster_subject;
    return nullptr;
  }

  std::string_view rest_;
  std::string name_;
  std::size_t line_number_ = 0;
  TemplateFile file_;
};

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr std::array<Unit, 5> units = {{{"seconds", 1},
                                        {"minutes", 60},
                                        {"hours", 3600},
                                        {"days", 86400},
                                        {"weeks", 604800}}};

class Expander {
 public:
  Expander(NoticeKind kind, const BounceTemplate& from,
           const TemplateParameters& parameters,
           std::vector<std::string>* warnings)
      : kind_(kind),
        from_(from),
        parameters_(parameters),
        warnings_(warnings) {}

  Result<std::string> run() { return expand(from_.text, 0); }

 private:
  static constexpr int max_depth = 20;

  Trouble bad(std::string_view what, std::string_view text) const {
    return try_later("3.5", from_.source + ": " + std::string(what) + " in " +
                                std::string(to_text(kind_)) +
                                " template: " + printable_utf8(text));
  }

  Result<std::string> expand(std::string_view text, int depth) {
    if (depth > max_depth) return bad("too deep nesting", text);
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
      if (text[at] != '$') {
        result += text[at++];
        continue;
      }
      if (++at < text.size() && text[at] == '$') {
        result += text[at++];
        continue;
      }
      const Result<std::string> value = reference(text, at, depth);
      if (!value) return value.trouble();
      result += value.value();
    }
    return result;
  }

  // What follows a "$"; moves `at` past it.
  Result<std::string> reference(std::string_view text, std::size_t& at,
                                int depth) {
    const std::string_view from_here = text.substr(at);
    if (at < text.size() && (text[at] == '{' || text[at] == '(')) {
      const std::size_t length = enclosed(from_here);
      if (length == 0) return bad("bad $name syntax", line_of(text, at));
      at += length;
      return conditional(from_here.substr(1, length - 2), depth);
    }
    std::size_t length = 0;
    while (length < from_here.size() && is_name_character(from_here[length]))
      ++length;
    if (length == 0) return bad("bad $name syntax", line_of(text, at));
    at += length;
    return lookup(from_here.substr(0, length));
  }

  // Length of the balanced {...} or (...) that the text starts with, or 0.
  static std::size_t enclosed(std::string_view text) {
    const char open = text[0];
    const char close = open == '{' ? '}' : ')';
    std::size_t depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == open) ++depth;
      if (text[i] == close && --depth == 0) return i + 1;
    }
    return 0;
  }

  static std::string_view line_of(std::string_view text, std::size_t at) {
    const std::size_t before =
        at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    return text.substr(start, text.find('\n', start) - start);
  }

  Result<std::string> conditional(std::string_view inner, int depth) {
    std::size_t length = 0;
    while (length < inner.size() && is_name_character(inner[length])) ++length;
    const std::string_view name = inner.substr(0, length);
    if (name.empty()) return bad("bad $name syntax", inner);
    if (length == inner.size()) return lookup(name);
    const char mode = inner[length];
    if (mode != '?' && mode != ':') return bad("bad $name syntax", inner);
    const std::optional<std::string> value = find(name);
    const bool filled = value && !value->empty();
    if (filled != (mode == '?')) return std::string();
    return expand(inner.substr(length + 1), depth + 1);
  }

  Result<std::string> lookup(std::string_view name) {
    std::optional<std::string> value = find(name);
    if (!value) return bad("undefined $name", name);
    return *std::move(value);
  }

  std::optional<std::string> find(std::string_view name) {
    if (auto time = in_unit(name, "delay_warning_time_",
                            parameters_.delay_warning_time))
      return time;
    if (auto time = in_unit(name, "maximal_queue_lifetime_",
                            parameters_.maximal_queue_lifetime))
      return time;
    return parameters_.value ? parameters_.value(name) : std::nullopt;
  }

  std::optional<std::string> in_unit(std::string_view name,
                                     std::string_view prefix,
                                     std::int64_t seconds) {
    if (name.substr(0, prefix.size()) != prefix) return std::nullopt;
    for (const Unit& unit : units) {
      if (name.substr(prefix.size()) != unit.name) continue;
      const std::int64_t count = seconds / unit.seconds;
      if (seconds > 0 && count == 0) advise("zero", "smaller", unit.name, name);
      if (count > 1000) advise("huge", "larger", unit.name, name);
      return std::to_string(count);
    }
    return std::nullopt;
  }

  void advise(std::string_view result, std::string_view wanted,
              std::string_view unit, std::string_view name) {
    if (!warnings_) return;
    warnings_->push_back(from_.source + ": " + std::string(result) +
                         " result of \"" + std::string(name) + "\" in " +
                         std::string(to_text(kind_)) + " template: use a " +
                         std::string(wanted) + " time unit than " +
                         std::string(unit) + " (see bounce(5))");
  }

  NoticeKind kind_;
  const BounceTemplate& from_;
  const TemplateParameters& parameters_;
  std::vector<std::string>* warnings_;
};

}  // namespace

std::string_view to_text(NoticeKind kind) {
  constexpr std::array<std::string_view, 4> names = {"failure", "delay",
                                                     "success", "verify"};
  return names[static_cast<std::size_t>(kind)];
}

BounceTemplates built_in_templates() {
  const std::string start = std::string(opening) + "\n";
  const std::string failure =
      "Your message did not reach one or more of its recipients, and no\n"
      "more attempts will be made. The reasons follow, then what you sent.\n\n";
  const std::string bar(68, '#');
  const std::string delay =
      bar +
      "\n# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. "
      "#\n" +
      bar +
      "\n\nYour message could not be delivered for more than "
      "$delay_warning_time_hours hour(s).\n"
      "It will be retried until it is $maximal_queue_lifetime_days day(s) "
      "old.\n\n";
  const std::string success =
      "Your message was successfully delivered to the destination(s)\n"
      "listed below. If the message was delivered to mailbox you will\n"
      "receive no further notifications. Otherwise you may still receive\n"
      "notifications of mail delivery errors from other systems.\n\n";
  const std::string verify =
      "You asked how your mail would be, or was, delivered. This is the "
      "result.\n\n";
  const auto made = [](const char* subject, const char* copy_subject,
                       std::string text) {
    BounceTemplate built_in;
    built_in.from = sender_name;
    built_in.subject = subject;
    built_in.postmaster_subject = copy_subject;
    built_in.text = std::move(text);
    return built_in;
  };
  return {
      {made("Undelivered Mail Returned to Sender",
            "Postmaster Copy: Undelivered Mail",
            start + failure + help + closing),
       made("Delayed Mail (still being retried)",
            "Postmaster Warning: Delayed Mail", start + delay + help + closing),
       made("Successful Mail Delivery Report", "", start + success + closing),
       made("Mail Delivery Status Report", "", start + verify + closing)}};
}

TemplateFile parse_bounce_templates(std::string_view text,
                                    std::string_view file_name) {
  return FileReader(text, file_name).run();
}

Result<std::string> expand_template(NoticeKind kind, const BounceTemplate& from,
                                    const TemplateParameters& parameters,
                                    std::vector<std::string>* warnings) {
  return Expander(kind, from, parameters, warnings).run();
}

std::string print_templates(const BounceTemplates& templates) {
  std::string text;
  for (const NoticeKind kind : kinds) {
    const BounceTemplate& one = templates.of(kind);
    if (!text.empty()) text += "\n";
    text += std::string(to_text(kind)) + "_template = <<EOF\n";
    text += "Charset: " + one.charset + "\nFrom: " + one.from +
            "\nSubject: " + one.subject + "\n";
    if (!one.postmaster_subject.empty())
      text += "Postmaster-Subject: " + one.postmaster_subject + "\n";
    text += "\n" + one.text + "EOF\n";
  }
  return text;
}

Result<std::string> print_expanded(const BounceTemplates& templates,
                                   const TemplateParameters& parameters,
                                   std::vector<std::string>* warnings) {
  std::string text;
  for (const NoticeKind kind : kinds) {
    const Result<std::string> body =
        expand_template(kind, templates.of(kind), parameters, warnings);
    if (!body) return body.trouble();
    if (!text.empty()) text += "\n";
    text += "expanded_" + std::string(to_text(kind)) + "_text = <<EOF\n" +
            body.value() + "EOF\n";
  }
  return text;
}

}  // namespace postern::mail
