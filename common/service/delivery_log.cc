#include "common/service/delivery_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern {
namespace {

constexpr int significant_digits = 2;
constexpr std::int64_t second = 1000000;

std::string shown(std::string_view address, bool external) {
  return external ? mail::quote_local_822(address) : std::string(address);
}

}  // namespace

std::int64_t wall_clock() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch())
      .count();
}

std::string delay_text(std::int64_t microseconds, int decimals) {
  const std::int64_t span = std::max<std::int64_t>(microseconds, 0);
  // The digits after the point that are significant: 17 has none, 1.2 one;
  // below a second the first digit that is not zero counts as the first.
  int places = significant_digits;
  for (std::int64_t whole = span / second; whole > 0; whole /= 10) --places;
  if (span < second)
    for (std::int64_t below = span; below > 0 && below < second / 10;
         below *= 10)
      ++places;
  places = std::clamp(places, 0, std::clamp(decimals, 0, 6));

  std::int64_t unit = second;
  for (int i = 0; i < places; ++i) unit /= 10;
  const std::int64_t units = (span + unit / 2) / unit;
  const std::int64_t per_second = second / unit;
  std::string out = fmt::format("{}", units / per_second);
  if (places == 0 || units % per_second == 0) return out;
  out += fmt::format(".{:0{}}", units % per_second, places);
  out.erase(out.find_last_not_of('0') + 1);
  return out;
}

std::string delays_text(const DeliveryTimes& times, int decimals) {
  const std::int64_t connected =
      times.connected != 0 ? times.connected : times.started;
  const auto span = [&](std::int64_t from, std::int64_t to) {
    return delay_text(to - from, decimals);
  };
  // Without a session the whole effort is transfer.
  return fmt::format(
      "delay={}, delays={}/{}/{}/{}", span(times.arrival, times.done),
      span(times.arrival, times.activated),
      span(times.activated, times.started), span(times.started, connected),
      span(connected, times.done));
}

std::string delivery_text(const DeliveryEvent& event) {
  std::string out =
      fmt::format("{}: to=<{}>, ", event.queue_id,
                  shown(event.recipient, event.external_addresses));
  if (!event.original.empty() && !equal_nocase(event.original, event.recipient))
    out += fmt::format("orig_to=<{}>, ",
                       shown(event.original, event.external_addresses));
  out += fmt::format("relay={}, ", event.relay);
  if (event.session_uses > 1)
    out += fmt::format("conn_use={}, ", event.session_uses);
  out += delays_text(event.times, event.decimals);
  out += fmt::format(", dsn={}, status={} ({})", event.dsn, event.status,
                     event.text);
  return out;
}

}  // namespace postern
