// cidr: tables: rules of networks, tried in order. cidr_table(5).
#include "common/base/text.h"
#include "common/os/files.h"
#include "common/tables/network.h"
#include "common/tables/openers.h"
#include "common/tables/rules.h"
#include "common/tables/source.h"

namespace postern::tables {
namespace {

struct Rule {
  enum class Type { match, condition, end };
  Type type = Type::match;
  bool negated = false;
  std::size_t skip = 0;  // condition: the rule after its endif
  Network network;
  std::string value;
};

class CidrTable : public Table {
 public:
  CidrTable(std::string name, std::vector<Rule> rules)
      : Table(std::move(name)), rules_(std::move(rules)) {}

 protected:
  Found look_up(std::string_view key) override {
    // What is no address matches nothing, not even a negated rule.
    const auto address = parse_address(key);
    if (!address) return std::optional<std::string>();
    for (std::size_t i = 0; i < rules_.size();) {
      const Rule& rule = rules_[i];
      // Of the other family: not even a negated rule has anything to say.
      const bool skipped =
          rule.type != Rule::Type::end &&
          (rule.network.address.v6 != address->v6 ||
           rule.network.contains(*address) == rule.negated);
      if (skipped) {
        i = rule.type == Rule::Type::condition ? rule.skip : i + 1;
        continue;
      }
      if (rule.type == Rule::Type::match) return std::optional(rule.value);
      ++i;
    }
    return std::optional<std::string>();
  }

 private:
  std::vector<Rule> rules_;
};

class RuleReader {
 public:
  RuleReader(const Spec& spec, const OpenOptions& options)
      : options_(options), warn_(spec, options.warn) {}

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
  void skip(std::string_view why) {
    warn_(line_, std::string(why) + ": skipping this rule");
  }

  Status read_line(std::string_view line) {
    if (take_word(line, "if")) {
      read_condition(line);
    } else if (take_word(line, "endif")) {
      read_end(line);
    } else {
      return read_match(line);
    }
    return {};
  }

  void take_negation(std::string_view& line, Rule& rule) {
    while (!line.empty() && line.front() == '!') {
      rule.negated = !rule.negated;
      line = trim_left(line.substr(1));
    }
  }

  // False: complained.
  bool set_network(std::string_view pattern, Rule& rule) {
    if (pattern.empty()) {
      skip("no address pattern");
      return false;
    }
    Result<Network> network = parse_network(pattern);
    if (!network) {
      skip(network.trouble().text);
      return false;
    }
    rule.network = *network;
    return true;
  }

  Status read_match(std::string_view line) {
    Rule rule;
    take_negation(line, rule);
    std::size_t end = 0;
    while (end < line.size() && !is_space(line[end])) ++end;
    const std::string_view pattern = line.substr(0, end);
    const std::string_view value = trim(line.substr(end));
    if (!pattern.empty() && value.empty()) {
      skip("no lookup result");
      return {};
    }
    if (!set_network(pattern, rule)) return {};
    rule.value = value;
    if (options_.values_are_files) {
      Result<std::string> content = content_of_files(value);
      if (!content) return content.trouble();
      rule.value = base64_encode(*content);
    }
    rules_.push_back(std::move(rule));
    return {};
  }

  void read_condition(std::string_view line) {
    Rule rule;
    rule.type = Rule::Type::condition;
    take_negation(line, rule);
    if (!set_network(line, rule)) return;
    nesting_.open(rules_.size(), line_);
    rules_.push_back(std::move(rule));
  }

  void read_end(std::string_view line) {
    if (!line.empty()) {
      skip("garbage after ENDIF");
      return;
    }
    std::size_t condition = 0;
    if (!nesting_.close(condition)) {
      skip("ENDIF without IF");
      return;
    }
    Rule rule;
    rule.type = Rule::Type::end;
    rules_.push_back(std::move(rule));
    rules_[condition].skip = rules_.size();
  }

  const OpenOptions& options_;
  RuleWarnings warn_;
  std::vector<Rule> rules_;
  Nesting nesting_;
  int line_ = 0;
};

}  // namespace

Opened cidr_from_text(const Spec& spec, std::string_view text,
                      const OpenOptions& options) {
  auto rules = RuleReader(spec, options).read(text);
  if (!rules) return rules.trouble();
  return Opened(std::make_unique<CidrTable>(spec.text(), std::move(*rules)));
}

Opened open_cidr(const Spec& spec, const OpenOptions& options) {
  const Result<std::string> text = rule_text(spec);
  if (!text) return text.trouble();
  return cidr_from_text(spec, *text, options);
}

}  // namespace postern::tables
