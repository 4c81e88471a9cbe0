#include "common/access/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/access/address_filter.h"
#include "common/access/policy.h"
#include "common/access/restrictions.h"
#include "common/base/text.h"

namespace postern::access {
namespace {

using config::Finding;
using config::Weight;

struct Flaw {
  Weight weight;
  std::string text, hint;
};

// Names of the table under which the same is written today.
std::string newer_name(const Restriction& one) {
  for (const RestrictionName& row : restriction_names())
    if (row.check == one.check && row.party == one.party &&
        row.hosts == one.hosts)
      return std::string(row.name);
  return one.name;
}

std::optional<Flaw> flaw_in_argument(const Restriction& one,
                                       const config::Config& config) {
  if (one.check == Check::check_policy_service) {
    const auto service = parse_policy_service(one.argument, config);
    if (!service) return Flaw{Weight::error, service.trouble().text, ""};
  }
  const std::size_t equals = one.argument.find('=');
  const bool of_lists = one.check >= Check::permit_dnswl_client &&
                        one.check <= Check::reject_rhsbl_sender;
  if (!of_lists || equals == std::string::npos) return std::nullopt;
  const auto filter = AddressFilter::parse(one.argument.substr(equals + 1));
  if (filter) return std::nullopt;
  return Flaw{Weight::error, one.name + ": " + filter.trouble().text, ""};
}

std::optional<Flaw> flaw_in(const Restriction& one,
                              const config::Config& config) {
  switch (one.check) {
    case Check::unknown: {
      const std::string near = nearest_restriction(one.name);
      return Flaw{Weight::error,
                   "unknown restriction: " + one.name +
                       "; clients get 451 where it is reached",
                   near.empty() ? "a restriction class must be named in "
                                  "smtpd_restriction_classes"
                                : "did you mean " + near + "?"};
    }
    case Check::no_argument:
      return Flaw{Weight::error,
                   "restriction " + one.name + " needs an argument",
                   "a table (type:name), a domain or a service, as postconf(5) "
                   "says"};
    case Check::permit_naked_ip_address:
      return Flaw{Weight::note,
                   "permit_naked_ip_address is obsolete",
                   "use permit_mynetworks or permit_sasl_authenticated"};
    case Check::reject_maps_rbl:
      return Flaw{Weight::note, "reject_maps_rbl is obsolete",
                   "use reject_rbl_client with each domain of "
                   "maps_rbl_domains"};
    default:
      break;
  }
  if (const auto flaw = flaw_in_argument(one, config)) return flaw;
  const bool named = one.check != Check::table &&
                     one.check != Check::restriction_class;
  const std::string newer = named ? newer_name(one) : one.name;
  if (equal_nocase(newer, one.name)) return std::nullopt;
  return Flaw{Weight::note, one.name + " is an old name",
               "write " + newer};
}

class Checker {
 public:
  Checker(const config::Config& config, std::vector<Finding>& out)
      : config_(config),
        out_(out),
        classes_(split_words(config.get<"smtpd_restriction_classes">())) {}

  std::vector<std::string> parameters() const {
    std::vector<std::string> all = list_parameters();
    all.insert(all.end(), classes_.begin(), classes_.end());
    return all;
  }

  // `origin` and `excerpt` say where the value stands.
  void check(const std::string& parameter, const config::Origin& origin,
             const std::string& excerpt) {
    const std::string value = config_.expand(config_.raw(parameter));
    for (const Restriction& one : parse_restrictions(value, classes_)) {
      const std::optional<Flaw> flaw = flaw_in(one, config_);
      if (!flaw) continue;
      Finding finding{flaw->weight, origin.file, origin.line, 1,
                      parameter + ": " + flaw->text, flaw->hint, excerpt};
      const std::size_t at = excerpt.find(one.name);
      if (at != std::string::npos)
        finding.column = static_cast<int>(at) + 1;
      out_.push_back(std::move(finding));
    }
  }

  void check_main() {
    for (const std::string& name : parameters()) {
      const auto setting = config_.settings().find(name);
      if (setting == config_.settings().end()) {
        if (!is_list(name)) undefined(name);
        continue;
      }
      check(name, setting->second.origin,
            name + " = " + setting->second.value);
    }
  }

 private:
  static bool is_list(const std::string& name) {
    const std::vector<std::string> lists = list_parameters();
    return std::find(lists.begin(), lists.end(), name) != lists.end();
  }

  void undefined(const std::string& name) {
    const auto origin = config_.origin("smtpd_restriction_classes");
    if (!origin) return;
    out_.push_back({Weight::error, origin->file, origin->line, 1,
                    "restriction class " + name + " needs a definition",
                    "add a line: " + name + " = RESTRICTIONS", ""});
  }

  const config::Config& config_;
  std::vector<Finding>& out_;
  std::vector<std::string> classes_;
};

// Counts the uses of a word in text, as far as `nth`; gives what is left to
// count, -1 where it was found.
int count_down(std::string_view text, std::string_view word, int nth) {
  const auto inside = [](char c) { return is_alnum(c) || c == '_'; };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at > 0 && inside(text[at - 1])) ||
        (end < text.size() && inside(text[end])))
      continue;
    if (nth-- == 0) return -1;
  }
  return nth;
}

}  // namespace

std::vector<std::string> list_parameters() {
  return {"smtpd_client_restrictions",      "smtpd_helo_restrictions",
          "smtpd_sender_restrictions",      "smtpd_relay_restrictions",
          "smtpd_recipient_restrictions",   "smtpd_data_restrictions",
          "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions"};
}

std::vector<Finding> check_restrictions(const config::Config& config,
                                        const config::MasterTable& table) {
  std::vector<Finding> out;
  Checker(config, out).check_main();
  std::stable_sort(out.begin(), out.end(),
                   [](const Finding& a, const Finding& b) {
                     return a.line < b.line;
                   });
  for (const config::ServiceRow& row : table.rows()) {
    if (row.program != "smtpd") continue;
    const config::Config own = config.with_overrides(row.overrides);
    Checker checker(own, out);
    const std::vector<std::string> lists = checker.parameters();
    for (const auto& [name, value] : row.overrides)
      if (std::find(lists.begin(), lists.end(), name) != lists.end())
        checker.check(name, row.origin, "-o " + name + "=" + value);
  }
  return out;
}

int line_of_word(std::string_view content, int first, std::string_view word,
                 int nth) {
  int line = 0;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view text = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size()
                                                        : end + 1);
    if (++line < first) continue;
    const bool comment = trim_left(text).starts_with('#');
    const bool goes_on = text.empty() || is_space(text[0]) || comment;
    if (line > first && !goes_on) break;
    if (comment) continue;
    const std::size_t equals = line == first ? text.find('=') : 0;
    if (equals == std::string_view::npos) continue;
    nth = count_down(text.substr(equals), word, nth);
    if (nth < 0) return line;
  }
  return first;
}

}  // namespace postern::access
