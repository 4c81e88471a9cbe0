// regexp: and pcre: tables: rules of patterns, tried in order on the whole
// search string. regexp_table(5), pcre_table(5).
#include "common/base/text.h"
#include "common/os/files.h"
#include "common/tables/engine.h"
#include "common/tables/openers.h"
#include "common/tables/replacement.h"
#include "common/tables/rules.h"
#include "common/tables/source.h"

namespace postern::tables {
namespace {

struct Rule {
  enum class Type { match, condition, end };
  Type type = Type::match;
  bool negated = false;
  int line = 0;
  std::size_t skip = 0;  // condition: the rule after its endif
  std::unique_ptr<Expression> expression;
  Replacement replacement;
};

class PatternTable : public Table {
 public:
  PatternTable(const Spec& spec, std::vector<Rule> rules)
      : Table(spec.text()),
        title_(spec.type + " map " + spec.name),
        rules_(std::move(rules)) {}

 protected:
  Found look_up(std::string_view key) override {
    for (std::size_t i = 0; i < rules_.size();) {
      const Rule& rule = rules_[i];
      if (rule.type == Rule::Type::end) {
        ++i;
        continue;
      }
      const bool wants_groups = rule.replacement.highest_group() > 0;
      Result<bool> matched =
          rule.expression->match(key, wants_groups ? &captures_ : nullptr);
      if (!matched)
        return try_later("3.0", title_ + ", line " + std::to_string(rule.line) +
                                    ": " + matched.trouble().text);
      if (*matched == rule.negated) {
        i = rule.type == Rule::Type::condition ? rule.skip : i + 1;
        continue;
      }
      if (rule.type == Rule::Type::match)
        return std::optional(rule.replacement.fill(key, captures_));
      ++i;
    }
    return std::optional<std::string>();
  }

 private:
  std::string title_;
  std::vector<Rule> rules_;
  std::vector<Capture> captures_;
};

// Reads the rules of one table, complaining about those it leaves out.
class RuleReader {
 public:
  RuleReader(const Engine& engine, const Spec& spec, const OpenOptions& options)
      : engine_(engine), options_(options), warn_(spec, options.warn) {}

  Result<std::vector<Rule>> read(std::string_view text) {
    LogicalLines lines(text);
    while (auto line = lines.next()) {
      line_ = lines.first_line();
      const Status status = read_line(trim(*line));
      if (!status.ok()) return status.trouble();
    }
    for (auto open = nesting_.unclosed().rbegin();
         open != nesting_.unclosed().rend(); ++open) {
      warn_(open->line, "IF has no matching ENDIF");
      rules_[open->index].skip = rules_.size();
    }
    return std::move(rules_);
  }

 private:
  Status read_line(std::string_view line) {
    if (!is_alnum(line.front())) return read_match(line);
    if (take_word(line, "if")) {
      read_condition(line);
    } else if (take_word(line, "endif")) {
      read_end(line);
    } else {
      warn_(line_, "ignoring unrecognized request");
    }
    return {};
  }

  // Takes "!/pattern/flags" off the line. False: complained.
  bool take_expression(std::string_view& line, Rule& rule) {
    rule.line = line_;
    while (!line.empty() && line.front() == '!') {
      rule.negated = !rule.negated;
      line = trim_left(line.substr(1));
    }
    if (line.empty()) {
      warn_(line_, "no regexp: skipping this rule");
      return false;
    }
    const char delimiter = line.front();
    std::size_t end = 1;
    while (end < line.size() && line[end] != delimiter)
      end += line[end] == '\\' && end + 1 < line.size() ? 2 : 1;
    if (end >= line.size()) {
      warn_(line_, "no closing regexp delimiter \"" +
                       std::string(1, delimiter) +
                       "\": " + std::string(engine_.skipping) + " this rule");
      return false;
    }
    const std::string pattern(line.substr(1, end - 1));
    line.remove_prefix(end + 1);
    std::size_t flags = 0;
    while (flags < line.size() && !is_space(line[flags]) && line[flags] != '!')
      ++flags;
    auto compiled =
        engine_.compile(pattern, line.substr(0, flags),
                        line.find('$') != std::string_view::npos);
    if (!compiled) {
      warn_(line_, compiled.trouble().text);
      return false;
    }
    rule.expression = std::move(*compiled);
    line = trim_left(line.substr(flags));
    return true;
  }

  Status read_match(std::string_view line) {
    Rule rule;
    if (!take_expression(line, rule)) return {};
    if (line.empty()) warn_(line_, "no replacement text: using empty string");
    std::string value(line);
    if (options_.values_are_files) {
      Result<std::string> content = content_of_files(value);
      if (!content) return content.trouble();
      value = base64_encode(*content);
    }
    Result<Replacement> replacement = Replacement::parse(value);
    if (!replacement) {
      const std::string& why = replacement.trouble().text;
      if (why.starts_with("out of range")) {
        warn_(line_, why + ": skipping this rule");
      } else {
        warn_(line_, why);
        warn_(line_, "bad replacement syntax: skipping this rule");
      }
      return {};
    }
    const unsigned highest = replacement->highest_group();
    if (highest > 0 && rule.negated) {
      warn_(line_,
            "$number found in negative match replacement text: skipping this "
            "rule");
      return {};
    }
    if (highest > rule.expression->groups()) {
      warn_(line_, "out of range replacement index \"" +
                       std::to_string(highest) + "\": skipping this rule");
      return {};
    }
    rule.replacement = std::move(*replacement);
    rules_.push_back(std::move(rule));
    return {};
  }

  void read_condition(std::string_view line) {
    Rule rule;
    rule.type = Rule::Type::condition;
    if (!take_expression(line, rule)) return;
    if (!line.empty()) {
      warn_(line_, "ignoring extra text after IF statement: \"" +
                       std::string(line) + "\"");
      warn_(line_,
            "do not prepend whitespace to statements between IF and ENDIF");
    }
    nesting_.open(rules_.size(), line_);
    rules_.push_back(std::move(rule));
  }

  void read_end(std::string_view line) {
    if (!line.empty()) warn_(line_, "ignoring extra text after ENDIF");
    std::size_t condition = 0;
    if (!nesting_.close(condition)) {
      warn_(line_, "ignoring ENDIF without matching IF");
      return;
    }
    Rule rule;
    rule.type = Rule::Type::end;
    rule.line = line_;
    rules_.push_back(std::move(rule));
    rules_[condition].skip = rules_.size();
  }

  const Engine& engine_;
  const OpenOptions& options_;
  RuleWarnings warn_;
  std::vector<Rule> rules_;
  Nesting nesting_;
  int line_ = 0;
};

Opened from_text(const Engine& engine, const Spec& spec, std::string_view text,
                 const OpenOptions& options) {
  auto rules = RuleReader(engine, spec, options).read(text);
  if (!rules) return rules.trouble();
  return Opened(std::make_unique<PatternTable>(spec, std::move(*rules)));
}

}  // namespace

Opened regexp_from_text(const Spec& spec, std::string_view text,
                        const OpenOptions& options) {
  return from_text(regexp_engine, spec, text, options);
}

Opened pcre_from_text(const Spec& spec, std::string_view text,
                      const OpenOptions& options) {
  return from_text(pcre_engine, spec, text, options);
}

Opened open_regexp(const Spec& spec, const OpenOptions& options) {
  const Result<std::string> text = rule_text(spec);
  if (!text) return text.trouble();
  return regexp_from_text(spec, *text, options);
}

Opened open_pcre(const Spec& spec, const OpenOptions& options) {
  const Result<std::string> text = rule_text(spec);
  if (!text) return text.trouble();
  return pcre_from_text(spec, *text, options);
}

}  // namespace postern::tables
