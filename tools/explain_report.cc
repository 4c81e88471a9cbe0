#include "tools/explain_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/access/check.h"
#include "common/os/files.h"

namespace postern::tools {
namespace {

void place_at(Step& step, const config::Origin& origin) {
  step.file = origin.line == 0 ? "an option of the row in master.conf"
                               : origin.file;
  step.line = origin.line;
}

// Refusals that no restriction list makes: who does.
struct Limit {
  std::string_view words;  // in the reply
  std::string_view parameter;
};
constexpr Limit limits[] = {
    {"Message size exceeds fixed limit", "message_size_limit"},
    {"Insufficient system storage", "queue_minfree"},
    {"Queue file write error", "queue_minfree"},
    {"bare <LF> received", "smtpd_forbid_bare_newline"},
    {"Error: too many recipients", "smtpd_recipient_limit"},
    {"User unknown", "smtpd_reject_unlisted_recipient"},
};

}  // namespace

Report::Report(const config::Config& config) : config_(config) {
  Result<std::string> content = os::read_file(config.file());
  if (content) content_ = std::move(*content);
}

void Report::stage(std::string_view parameter) {
  parameter_ = parameter;
  within_.clear();
  Step step;
  step.kind = Step::Kind::stage;
  step.text = parameter;
  const auto origin = config_.origin(parameter);
  if (origin) place_at(step, *origin);
  step.outcome = config_.text(parameter).empty() ? "empty" : "";
  steps_.push_back(std::move(step));
}

// The line on which the restriction is written: in its stage's parameter or in
// the class that the walk is in. The n-th of a name is the n-th in the text.
void Report::locate(Step& step) {
  const std::string& where = within_.empty() ? parameter_ : within_.back();
  const auto origin = config_.origin(where);
  if (!origin) return;
  place_at(step, *origin);
  if (origin->line == 0 || content_.empty()) return;
  const std::string name = step.text.substr(0, step.text.find(' '));
  int before = 0;
  for (auto at = steps_.rbegin(); at != steps_.rend(); ++at) {
    if (at->kind == Step::Kind::stage) break;
    const bool same = at->kind == Step::Kind::restriction &&
                      at->depth == step.depth &&
                      at->text.substr(0, at->text.find(' ')) == name;
    if (same) ++before;
  }
  step.line =
      access::line_of_word(content_, origin->line, name, before);
}

void Report::begins(const access::Restriction& restriction, int depth) {
  Step step;
  step.depth = depth;
  const bool bare = restriction.check == access::Check::table;
  step.text = restriction.name;
  if (!restriction.argument.empty() && !bare)
    step.text += " " + restriction.argument;
  if (restriction.warn_only) step.text = "warn_if_reject " + step.text;
  locate(step);
  open_.push_back(steps_.size());
  steps_.push_back(std::move(step));
  if (restriction.check == access::Check::restriction_class)
    within_.push_back(restriction.name);
}

void Report::ends(const access::Restriction& restriction, int,
                  std::string_view outcome, std::string_view reply) {
  Step& step = steps_[open_.back()];
  open_.pop_back();
  step.outcome = outcome;
  if (outcome == "reject") step.reply = reply;
  if (restriction.check == access::Check::restriction_class)
    within_.pop_back();
}

void Report::asked(std::string question, std::string answer) {
  Step step;
  step.kind = Step::Kind::question;
  step.depth = static_cast<int>(open_.size());
  step.text = std::move(question);
  step.outcome = std::move(answer);
  steps_.push_back(std::move(step));
}

void Report::replied(std::string reply) { reply_ = std::move(reply); }

void Report::rewritten(std::string from, std::string to, std::string by) {
  rewritings_.push_back({std::move(from), std::move(to), std::move(by)});
}

// The innermost restriction that refused; of a permission, the last.
const Step* Report::deciding() const {
  const Step* found = nullptr;
  const bool refused = reply_.starts_with('4') || reply_.starts_with('5');
  for (const Step& step : steps_) {
    if (step.kind != Step::Kind::restriction) continue;
    if (refused && step.outcome == "reject" &&
        (found == nullptr || step.depth > found->depth))
      found = &step;
    if (!refused && step.outcome == "permit") found = &step;
  }
  if (found != nullptr || !refused) return found;
  // Nothing refused it outright: who wanted it put off, first.
  for (const Step& step : steps_)
    if (step.outcome == access::trace_defers) return &step;
  return nullptr;
}

std::optional<Step> Report::parameter_that_decided() const {
  const std::string& said = logged_.empty() ? reply_ : logged_;
  for (const Limit& limit : limits) {
    if (said.find(limit.words) == std::string::npos) continue;
    Step step;
    step.kind = Step::Kind::stage;
    step.text = limit.parameter;
    step.outcome = "reject";
    if (const auto origin = config_.origin(limit.parameter))
      place_at(step, *origin);
    return step;
  }
  return std::nullopt;
}

std::string Report::place(const Step& step) const {
  if (step.file.empty()) return "initial value";
  if (step.line == 0) return step.file;
  return fmt::format("{}, line {}", step.file, step.line);
}

std::string Report::text() const {
  std::string out = "client " + client_ + "\n";
  const Step* decided = deciding();
  for (const Step& step : steps_) {
    const std::string indent(static_cast<std::size_t>(2 + 2 * step.depth), ' ');
    switch (step.kind) {
      case Step::Kind::stage:
        out += fmt::format("\n{} ({}){}\n", step.text, place(step),
                           step.outcome.empty() ? "" : ": empty");
        break;
      case Step::Kind::question:
        out += fmt::format("{}? {}: {}\n", indent, step.text, step.outcome);
        break;
      case Step::Kind::restriction:
        out += fmt::format("{}{} -> {}{}\n", indent, step.text, step.outcome,
                           &step == decided ? "   <== decides" : "");
        break;
    }
  }
  if (!logged_.empty()) out += fmt::format("\nlogged: {}", logged_);
  out += fmt::format("\nreply: {}\n", reply_);
  const std::optional<Step> limit = parameter_that_decided();
  if (decided == nullptr && limit) decided = &*limit;
  if (decided != nullptr)
    out += fmt::format("decided by: {} ({})\n", decided->text,
                       place(*decided));
  else
    out += "decided by: no restriction\n";
  if (!rewritings_.empty()) out += "\n";
  for (const Rewriting& r : rewritings_)
    out += fmt::format("rewritten: {} -> {} ({})\n", r.from, r.to, r.by);
  for (const Route& r : routes_)
    out += fmt::format("recipient {}: class {}, transport {}, next hop {}\n",
                       r.address, r.address_class, r.transport,
                       r.nexthop.empty() ? "(none)" : r.nexthop);
  return out;
}

std::string Report::json() const {
  using nlohmann::json;
  constexpr const char* kinds[] = {"stage", "restriction", "question"};
  const auto described = [&](const Step& step) {
    json one{{"kind", kinds[static_cast<int>(step.kind)]},
             {"depth", step.depth},
             {"text", step.text},
             {"outcome", step.outcome}};
    if (!step.reply.empty()) one["reply"] = step.reply;
    if (!step.file.empty()) one["file"] = step.file;
    if (step.line > 0) one["line"] = step.line;
    return one;
  };
  json out{{"client", client_}, {"reply", reply_}};
  if (!logged_.empty()) out["logged"] = logged_;
  out["steps"] = json::array();
  for (const Step& step : steps_) out["steps"].push_back(described(step));
  const Step* decided = deciding();
  const std::optional<Step> limit = parameter_that_decided();
  if (decided == nullptr && limit) decided = &*limit;
  out["decided_by"] = decided == nullptr ? json() : described(*decided);
  out["rewriting"] = json::array();
  for (const Rewriting& r : rewritings_)
    out["rewriting"].push_back({{"from", r.from}, {"to", r.to}, {"by", r.by}});
  out["routes"] = json::array();
  for (const Route& r : routes_)
    out["routes"].push_back({{"address", r.address},
                             {"class", r.address_class},
                             {"transport", r.transport},
                             {"nexthop", r.nexthop}});
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace postern::tools
