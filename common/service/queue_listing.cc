#include "common/service/queue_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable_utf8(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

namespace {

// Those that have been tried, by domain and address, as qmgr tries them; then
// the others, as they stand in the file.
std::vector<std::size_t> order_of(
    const std::vector<queue::Recipient>& recipients,
    const std::vector<std::string_view>& reasons) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < recipients.size(); ++i)
    if (!recipients[i].done) order.push_back(i);
  const auto others = std::stable_partition(
      order.begin(), order.end(),
      [&](std::size_t i) { return !reasons[i].empty(); });
  std::stable_sort(order.begin(), others, [&](std::size_t a, std::size_t b) {
    const std::string& one = recipients[a].address;
    const std::string& other = recipients[b].address;
    const auto domain_of = [](const std::string& address) {
      return to_lower(mail::split_address(address).domain);
    };
    return std::pair(domain_of(one), mail::quote_local_822(one)) <
           std::pair(domain_of(other), mail::quote_local_822(other));
  });
  return order;
}

}  // namespace

std::string listing_line(const queue::Stored& message,
                         const queue::Results& results) {
  const queue::Envelope& e = message.envelope;
  std::vector<std::string_view> reasons(e.recipients.size());
  for (const queue::Attempt& a : results.attempts)
    for (std::int64_t i = std::max<std::int64_t>(a.index, 0);
         i <= std::max(a.index, a.last) &&
         i < static_cast<std::int64_t>(reasons.size());
         ++i)
      reasons[static_cast<std::size_t>(i)] = a.text;
  std::string out = fmt::format(
      "{{\"queue_name\": {}, \"queue_id\": {}, \"arrival_time\": {}, "
      "\"message_size\": {}, \"forced_expire\": {}, \"sender\": {}, "
      "\"recipients\": [",
      quoted(queue::name_of(message.box)), quoted(message.id),
      e.arrival / 1000000, message.layout.content_size, message.force_expired,
      quoted(e.sender.empty() ? "MAILER-DAEMON"
                              : mail::quote_local_822(e.sender)));
  bool first = true;
  for (const std::size_t i : order_of(e.recipients, reasons)) {
    const queue::Recipient& r = e.recipients[i];
    if (!first) out += ", ";
    first = false;
    out += "{\"address\": " + quoted(mail::quote_local_822(r.address));
    if (!reasons[i].empty())
      out += ", \"delay_reason\": " + quoted(reasons[i]);
    out += "}";
  }
  return out + fmt::format("], \"next_attempt\": {}}}\n", message.modified);
}

}  // namespace postern
