#include "tools/postconf_manual.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "common/base/text.h"
#include "common/config/honoured.h"
#include "common/config/obsolete.h"
#include "common/config/service_parameters.h"
#include "common/config/table.h"

namespace postern::postconf {
namespace {

using config::Kind;
using config::Row;

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::text: return "text";
    case Kind::list: return "list";
    case Kind::path: return "path";
    case Kind::raw: return "text, expanded at each use";
    case Kind::boolean: return "yes or no";
    case Kind::integer: return "number";
    case Kind::duration: return "time";
  }
  return "";
}

const char* state_text(std::string_view name) {
  switch (config::honoured(name)) {
    case config::Honoured::yes: return "";
    case config::Honoured::not_yet: return "not available yet";
    case config::Honoured::no_effect_needed:
      return "accepted; nothing here needs it";
  }
  return "";
}

std::string initial_text(const Row& row) {
  constexpr std::string_view found_out[] = {
      "myhostname", "mydomain", "mynetworks", "process_id", "process_name"};
  if (std::find(std::begin(found_out), std::end(found_out), row.name) !=
      std::end(found_out))
    return "found out at start";
  return row.initial.empty() ? "empty" : std::string(row.initial);
}

std::string range_text(const Row& row) {
  if (row.kind != Kind::integer && row.kind != Kind::duration) return "";
  bool least = row.least > 0;
  bool most = row.most != config::unlimited;
  if (least && most) return fmt::format("{} to {}", row.least, row.most);
  if (most) return fmt::format("at most {}", row.most);
  return least ? fmt::format("at least {}", row.least) : "";
}

std::vector<Row> sorted_rows() {
  std::vector<Row> rows(config::parameters.begin(), config::parameters.end());
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.name < b.name; });
  return rows;
}

std::string roff(std::string_view text) {
  std::string out = replace_all(std::string(text), "\\", "\\e");
  out = replace_all(std::move(out), "-", "\\-");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

std::string roff_row(std::string_view name, const Row& row) {
  std::string out =
      fmt::format(".TP\n.B {}\n(default: {})\n.br\n{}\n", roff(name),
                  roff(initial_text(row)), roff(row.purpose));
  std::string facts = kind_text(row.kind);
  if (std::string range = range_text(row); !range.empty())
    facts += ", " + range;
  if (std::string state = state_text(row.name); !state.empty())
    facts += "; " + state;
  return out + ".br\n" + roff(facts) + ".\n";
}

std::string cell(std::string_view text) {
  return replace_all(std::string(text), "|", "\\|");
}

std::string code(const Row& row) {
  std::string text = initial_text(row);
  if (row.initial.empty() || text != row.initial) return text;
  std::string fence = text.find('`') == std::string::npos ? "`" : "``";
  return cell(fence + text + fence);
}

std::string markdown_row(std::string_view name, const Row& row) {
  std::string kind = kind_text(row.kind);
  if (std::string range = range_text(row); !range.empty())
    kind += ", " + range;
  return fmt::format("| `{}` | {} | {} | {} | {} |\n", name, code(row), kind,
                     cell(row.purpose), state_text(row.name));
}

}  // namespace

std::string manual_page() {
  std::string out =
      ".TH POSTCONF 5 \"\" \"Postern " POSTERN_VERSION "\"\n"
      ".SH NAME\npostconf \\- parameters of main.conf\n"
      ".SH DESCRIPTION\n"
      "A line of main.conf is `name = value'. A line that begins with white "
      "space continues the one before it; empty lines and lines that begin "
      "with # are comments.\n.PP\n"
      "A value may mention others: $name, ${name}, ${name?{text if it is not "
      "empty}:{text if it is}}, ${{a} == {b} ? {text} : {text}}. Two dollars "
      "are one.\n.PP\n"
      "A time is a number with unit s, m, h, d or w; without one, the unit "
      "of the default counts.\n"
      ".SH PARAMETERS\n";
  for (const Row& row : sorted_rows()) out += roff_row(row.name, row);
  out += ".SH PARAMETERS OF SERVICES\nNAME stands for a service of "
         "master.conf.\n";
  for (const Row& row : config::transport_rows)
    out += roff_row("NAME" + std::string(row.name), row);
  for (const Row& row : config::command_rows)
    out += roff_row("NAME" + std::string(row.name), row);
  out += ".SH OLD NAMES\n";
  for (const config::Obsolete& old : config::obsolete_names)
    out += fmt::format(".TP\n.B {}\n{}\n", old.name,
                       old.successor.empty()
                           ? "has no effect."
                           : fmt::format("see {}.", old.successor));
  return out + ".SH SEE ALSO\npostconf(1), master(5)\n";
}

std::string markdown_page() {
  std::string out =
      "# Parameters of main.conf\n\n"
      "Printed by `postconf --markdown` from the table in "
      "`common/config/parameters`.\n\n"
      "| name | default | kind | purpose | remark |\n"
      "| --- | --- | --- | --- | --- |\n";
  for (const Row& row : sorted_rows()) out += markdown_row(row.name, row);
  out += "\n## Parameters of services\n\nNAME stands for a service of "
         "`master.conf`.\n\n"
         "| name | default | kind | purpose | remark |\n"
         "| --- | --- | --- | --- | --- |\n";
  for (const Row& row : config::transport_rows)
    out += markdown_row("NAME" + std::string(row.name), row);
  for (const Row& row : config::command_rows)
    out += markdown_row("NAME" + std::string(row.name), row);
  out += "\n## Old names\n\n| name | write instead |\n| --- | --- |\n";
  for (const config::Obsolete& old : config::obsolete_names)
    out += fmt::format("| `{}` | {} |\n", old.name,
                       old.successor.empty()
                           ? "nothing; it has no effect"
                           : fmt::format("`{}`", old.successor));
  return out;
}

}  // namespace postern::postconf
