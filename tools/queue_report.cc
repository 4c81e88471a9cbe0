#include "tools/queue_report.h"

#include <fmt/format.h>
#include <time.h>

#include <nlohmann/json.hpp>

namespace postern::tools {
namespace {

using Json = nlohmann::json;

// A reason ends where this column ends, or begins at the margin.
constexpr std::size_t reason_end = 76;

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string()
             ? found->get<std::string>()
             : "";
}

std::int64_t number_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer()
             ? found->get<std::int64_t>()
             : 0;
}

char mark_of(const Json& message) {
  const std::string queue = text_of(message, "queue_name");
  if (queue == "active") return '*';
  if (queue == "hold") return '!';
  const auto expired = message.find("forced_expire");
  return expired != message.end() && *expired == true ? '#' : ' ';
}

std::string date(std::int64_t seconds) {
  const auto when = static_cast<time_t>(seconds);
  tm parts{};
  ::localtime_r(&when, &parts);
  char buffer[40] = "";
  ::strftime(buffer, sizeof buffer, "%a %b %e %H:%M:%S", &parts);
  return buffer;
}

std::string heading(bool long_ids) {
  return long_ids ? fmt::format("{:<17} {:>8} {:>19} {}\n",
                                "----Queue ID-----", "--Size--",
                                "---Arrival Time----",
                                "--Sender/Recipient------")
                  : fmt::format("{:<11} {:>8} {:>20} {}\n", "-Queue ID-",
                                "--Size--", "----Arrival Time----",
                                "-Sender/Recipient-------");
}

}  // namespace

std::optional<std::string> QueueReport::message(std::string_view line) {
  const Json message = Json::parse(line, nullptr, false);
  if (!message.is_object()) return std::nullopt;
  const auto recipients = message.find("recipients");
  if (recipients == message.end() || !recipients->is_array())
    return std::nullopt;
  const std::int64_t size = number_of(message, "message_size");
  std::string id = text_of(message, "queue_id");
  const char mark = mark_of(message);
  if (mark != ' ') id += mark;

  std::string out = messages_++ == 0 ? heading(long_ids_) : "\n";
  bytes_ += size;
  const std::string when = date(number_of(message, "arrival_time"));
  const std::string sender = text_of(message, "sender");
  out += long_ids_ ? fmt::format("{:<17} {:>8} {:>19} {}\n", id, size, when,
                                 sender)
                   : fmt::format("{:<11} {:>8} {:<20} {}\n", id, size, when,
                                 sender);
  // Said once for all recipients that it is the reason for.
  std::string last;
  for (const Json& recipient : *recipients) {
    if (!recipient.is_object()) return std::nullopt;
    const std::string reason = text_of(recipient, "delay_reason");
    if (!reason.empty() && reason != last) {
      const std::size_t taken = std::min(reason.size(), reason_end);
      out += fmt::format("{:>{}}({})\n", "", reason_end - taken, reason);
      last = reason;
    }
    out += long_ids_ ? fmt::format("{:46}{}\n", "", text_of(recipient, "address"))
                     : fmt::format("{:41}{}\n", "", text_of(recipient, "address"));
  }
  return out;
}

std::string QueueReport::end() const {
  if (messages_ == 0) return "Mail queue is empty\n";
  return fmt::format("\n-- {} Kbytes in {} Request{}.\n", bytes_ / 1024,
                     messages_, messages_ == 1 ? "" : "s");
}

}  // namespace postern::tools
