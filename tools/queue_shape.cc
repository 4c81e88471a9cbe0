#include "tools/queue_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::tools {
namespace {

// A name that is too long keeps its end.
constexpr std::size_t kept_of_name = 17;

constexpr const char* other_domains = "(others)";

std::string domain_of(std::string_view address, bool sender) {
  if (sender && address.empty()) return "MAILER-DAEMON";
  const std::string_view domain = mail::split_address(address).domain;
  return domain.empty() ? "localhost" : to_lower(std::string(domain));
}

}  // namespace

QueueShape::QueueShape(ShapeRules rules) : rules_(rules) {
  std::int64_t limit = rules_.minutes;
  for (int i = 0; i + 1 < rules_.buckets; ++i) {
    limits_.push_back(limit);
    limit = rules_.linear ? limit + rules_.minutes : limit * 2;
  }
}

void QueueShape::count(Row& row, std::size_t bucket) {
  row.counts.resize(static_cast<std::size_t>(rules_.buckets));
  ++row.counts[bucket];
  ++row.total;
}

void QueueShape::add(std::string_view address, bool sender,
                     std::int64_t age) {
  const auto over = std::find_if(
      limits_.begin(), limits_.end(),
      [&](std::int64_t minutes) { return age < minutes * 60; });
  const auto bucket = static_cast<std::size_t>(over - limits_.begin());
  count(total_, bucket);
  const std::string domain = domain_of(address, sender);
  auto found = rows_.find(domain);
  const bool fresh = found == rows_.end();
  const bool room = rows_.size() < rules_.most_domains;
  if (fresh) found = rows_.try_emplace(room ? domain : other_domains).first;
  count(found->second, bucket);
  if (!rules_.parents || !room) return;
  // Not the top level itself.
  for (std::size_t dot = domain.find('.');
       dot != std::string::npos && domain.find('.', dot + 1) != std::string::npos;
       dot = domain.find('.', dot + 1)) {
    Row& parent = rows_[domain.substr(dot)];
    count(parent, bucket);
    if (fresh) ++parent.subdomains;
  }
}

std::vector<std::size_t> QueueShape::widths() const {
  std::vector<std::size_t> out{
      std::max<std::size_t>(2, std::to_string(total_.total).size() + 1)};
  for (int i = 0; i < rules_.buckets; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::string title = at < limits_.size()
                                  ? std::to_string(limits_[at])
                                  : std::to_string(limits_.back()) + "+";
    const std::int64_t most = at < total_.counts.size() ? total_.counts[at] : 0;
    out.push_back(std::max(title.size(), std::to_string(most).size()) + 1);
  }
  return out;
}

std::size_t QueueShape::name_width(
    const std::vector<std::size_t>& widths) const {
  std::size_t taken = 0;
  for (const std::size_t w : widths) taken += w;
  const auto width = static_cast<std::size_t>(rules_.width);
  return std::max(width > taken ? width - taken : 0, kept_of_name + 1);
}

std::string QueueShape::line(const std::string& name, const Row& row,
                             const std::vector<std::size_t>& w) const {
  const std::size_t room = name_width(w);
  std::string shown = printable_utf8(name);
  if (shown.size() > room) {
    const bool parent = shown[0] == '.';
    const std::size_t keep = kept_of_name - (parent ? 1 : 0);
    shown = (parent ? ".+" : "+") + shown.substr(shown.size() - keep);
  }
  std::string out = fmt::format("{:>{}}{:>{}}", shown, room, row.total, w[0]);
  for (std::size_t i = 0; i < row.counts.size(); ++i)
    out += fmt::format("{:>{}}", row.counts[i], w[i + 1]);
  return out + "\n";
}

std::string QueueShape::heading(const std::vector<std::size_t>& w) const {
  std::string out = fmt::format("{:>{}}{:>{}}", "", name_width(w), "T", w[0]);
  for (std::size_t i = 0; i < limits_.size(); ++i)
    out += fmt::format("{:>{}}", limits_[i], w[i + 1]);
  return out + fmt::format("{:>{}}\n", std::to_string(limits_.back()) + "+",
                           w.back());
}

std::string QueueShape::table() const {
  const std::vector<std::size_t> w = widths();
  Row total = total_;
  total.counts.resize(static_cast<std::size_t>(rules_.buckets));
  std::string out = heading(w) + line("TOTAL", total, w);
  std::vector<const std::pair<const std::string, Row>*> order;
  for (const auto& row : rows_)
    if (row.first[0] != '.' || row.second.subdomains >= rules_.least_subdomains)
      order.push_back(&row);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->second.total > b->second.total;
  });
  for (const auto* row : order) out += line(row->first, row->second, w);
  return out;
}

}  // namespace postern::tools
