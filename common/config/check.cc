#include "common/config/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "common/base/text.h"
#include "common/config/honoured.h"
#include "common/config/lines.h"
#include "common/config/obsolete.h"
#include "common/config/service_parameters.h"
#include "common/config/values.h"

namespace postern::config {
namespace {

// Letters to insert, remove or replace to turn one name into the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t above = row[j];
      std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above + 1, row[j - 1] + 1});
      diagonal = above;
    }
  }
  return row.back();
}

class Checker {
 public:
  Checker(const Config& config, const MasterTable& table)
      : config_(config), table_(table) {}

  std::vector<Finding> run() {
    collect_uses();
    for (const auto& [name, setting] : config_.settings())
      if (setting.origin.line > 0) check_setting(config_, setting);
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](auto& a, auto& b) { return a.line < b.line; });
    for (const ServiceRow& row : table_.rows()) check_row(row);
    check_chroot();
    return std::move(findings_);
  }

 private:
  void use(std::string_view value) {
    for (const std::string& name : referenced_names(value)) used_.insert(name);
    // The old way to configure a table in main.conf: `ldap:NAME` has its
    // parameters in NAME_server_host and so on.
    for (const std::string& word : split_words(value, ", \t\r\n{}")) {
      std::size_t colon = word.rfind(':');
      if (colon == std::string::npos || colon == 0) continue;
      std::string name = word.substr(colon + 1);
      if (!name.empty() && name.find('/') == std::string::npos)
        table_prefixes_.insert(name + "_");
    }
  }

  void collect_uses() {
    for (const auto& [name, setting] : config_.settings()) use(setting.value);
    for (const Row& row : parameters)
      if (row.initial.find('$') != std::string_view::npos) use(row.initial);
    for (const ServiceRow& row : table_.rows()) {
      for (const auto& [name, value] : row.overrides) use(value);
      for (const std::string& word : row.args) use(word);
    }
    for (const std::string& name :
         split_words(config_.get<"smtpd_restriction_classes">()))
      used_.insert(name);
  }

  bool user_defined(const std::string& name) const {
    if (used_.contains(name)) return true;
    return std::any_of(
        table_prefixes_.begin(), table_prefixes_.end(),
        [&](const std::string& prefix) { return name.starts_with(prefix); });
  }

  void add(Weight weight, const Setting& setting, std::string text,
           std::string hint, std::size_t value_offset = 0) {
    Finding finding{weight, setting.origin.file, setting.origin.line, 1,
                    std::move(text), std::move(hint),
                    setting.name + " = " + setting.value};
    if (value_offset != std::string::npos)
      finding.column =
          static_cast<int>(setting.name.size() + 4 + value_offset);
    findings_.push_back(std::move(finding));
  }

  void check_setting(const Config& config, const Setting& setting) {
    check_name(setting);
    check_comment(setting);
    check_value(config, setting);
  }

  void check_name(const Setting& setting) {
    const std::string& name = setting.name;
    if (const Obsolete* old = find_obsolete(name)) {
      add(Weight::note, setting, "obsolete parameter name: " + name,
          old->successor.empty()
              ? "it has no effect; remove it"
              : fmt::format("write {} instead", old->successor),
          std::string::npos);
      return;
    }
    bool known = find_row(name) || find_service_parameter(name);
    if (!known && !user_defined(name)) {
      std::string near = nearest_name(name);
      add(Weight::warning, setting, "unknown parameter: " + name,
          near.empty() ? "no other value mentions it, so it has no effect"
                       : "did you mean " + near + "?",
          std::string::npos);
    }
    if (known && honoured(name) == Honoured::not_yet && !leaves_off(setting))
      add(Weight::warning, setting,
          name + " is set, but is not available in this version", "",
          std::string::npos);
  }

  // Asks for nothing that would have to be there.
  static bool leaves_off(const Setting& setting) {
    const Row* row = find_row(setting.name);
    if (!row) return false;
    return setting.value.empty() || setting.value == row->initial ||
           setting.value == "none" ||
           (row->kind == Kind::boolean && setting.value == "no");
  }

  void check_comment(const Setting& setting) {
    const std::string& value = setting.value;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i] != '#' || (i > 0 && !is_space(value[i - 1]))) continue;
      // `#` followed by a word character is rather a pattern or a channel.
      if (i + 1 < value.size() && !is_space(value[i + 1]) && i > 0) continue;
      add(Weight::warning, setting,
          "the text from '#' on is part of the value, not a comment",
          "put the comment on a line of its own", i);
      return;
    }
  }

  void check_value(const Config& config, const Setting& setting) {
    const Row* row = find_row(setting.name);
    auto parameter = find_service_parameter(setting.name);
    if (row && row->kind == Kind::raw) return;
    if (referenced_names(setting.value).contains(setting.name)) {
      add(Weight::error, setting,
          fmt::format("the value of {} refers to itself", setting.name),
          "a value cannot add to an earlier one; write it out",
          setting.value.find('$'));
      return;
    }
    std::vector<std::string> undefined;
    Result<std::string> value = config.try_expand(setting.value, undefined);
    if (!value) {
      add(Weight::error, setting, value.trouble().text, "");
      return;
    }
    for (const std::string& name : undefined)
      add(Weight::warning, setting, "undefined parameter: " + name,
          nearest_hint(name), setting.value.find(name));
    if (!row && !parameter) return;
    Row expected = row ? *row : *parameter->row;
    expected.name = setting.name;
    Status status = fits(expected, *value);
    if (!status) add(Weight::error, setting, status.trouble().text, "");
  }

  static std::string nearest_hint(std::string_view name) {
    std::string near = nearest_name(name);
    return near.empty() ? "" : "did you mean " + near + "?";
  }

  void check_row(const ServiceRow& row) {
    NameValues given = row.overrides;
    given.emplace_back("service_name", row.name);
    Config config = config_.with_overrides(given);
    for (const auto& [name, value] : row.overrides)
      check_setting(config, Setting{name, value, row.origin});
  }

  // One finding for all rows: Debian's table asks for it nearly everywhere.
  void check_chroot() {
    const ServiceRow* first = nullptr;
    std::size_t count = 0;
    for (const ServiceRow& row : table_.rows()) {
      if (!row.chroot) continue;
      if (first == nullptr) first = &row;
      ++count;
    }
    if (first == nullptr) return;
    findings_.push_back(
        {Weight::warning, first->origin.file, first->origin.line, 1,
         fmt::format("the chroot column of {} row{} has no effect", count,
                     count == 1 ? "" : "s"),
         "every process sees only the files of its profile, without a jail",
         ""});
  }

  const Config& config_;
  const MasterTable& table_;
  std::set<std::string, std::less<>> used_;
  std::set<std::string> table_prefixes_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check(const Config& config, const MasterTable& table) {
  return Checker(config, table).run();
}

std::vector<Finding> check_rows(const std::vector<TableProblem>& problems,
                                const std::string& file) {
  std::vector<Finding> findings;
  for (const TableProblem& one : problems)
    findings.push_back({Weight::error, file, one.line, one.column, one.text,
                        "", one.excerpt});
  return findings;
}

std::string describe(const Finding& finding) {
  std::string text = finding.line > 0
                         ? fmt::format("{}, line {}: {}", finding.file,
                                       finding.line, finding.text)
                         : fmt::format("{}: {}", finding.file, finding.text);
  if (!finding.excerpt.empty())
    text +=
        "\n" + with_caret(finding.excerpt, finding.line, finding.column);
  if (!finding.hint.empty()) text += "\n       = " + finding.hint;
  return text;
}

std::set<std::string> referenced_names(std::string_view text) {
  std::set<std::string> names;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '$') continue;
    std::size_t start = i + 1;
    if (text[start] == '$') {
      ++i;  // `$$` is a dollar; what follows it is no name
      continue;
    }
    if (text[start] == '{' || text[start] == '(') {
      char close = text[start] == '{' ? '}' : ')';
      if (text.find(close, start) == std::string_view::npos) break;
      ++start;
    }
    while (start < text.size() && is_space(text[start])) ++start;
    std::size_t end = start;
    while (end < text.size() && (is_alnum(text[end]) || text[end] == '_'))
      ++end;
    if (end > start) names.emplace(text.substr(start, end - start));
  }
  return names;
}

std::string nearest(std::string_view name,
                    const std::vector<std::string_view>& all) {
  std::string best;
  std::size_t least = std::max<std::size_t>(1, name.size() / 5) + 1;
  for (const std::string_view known : all) {
    std::size_t longer = std::max(known.size(), name.size());
    std::size_t shorter = std::min(known.size(), name.size());
    if (longer - shorter >= least) continue;
    std::size_t d = distance(name, known);
    if (d < least) {
      least = d;
      best = known;
    }
  }
  return best;
}

std::string nearest_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Row& row : parameters) names.push_back(row.name);
  return nearest(name, names);
}

}  // namespace postern::config
