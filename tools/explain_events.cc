#include "tools/explain_events.h"

#include "common/base/text.h"

namespace postern::tools {
namespace {

constexpr auto npos = std::string_view::npos;

// What stands between `before` and `after`; `text` goes on behind it.
std::optional<std::string> take(std::string_view& text,
                                std::string_view before,
                                std::string_view after) {
  const std::size_t from = text.find(before);
  if (from == npos) return std::nullopt;
  const std::string_view rest = text.substr(from + before.size());
  const std::size_t size = rest.find(after);
  if (size == npos) return std::nullopt;
  text = rest.substr(size + after.size());
  return std::string(rest.substr(0, size));
}

std::string tag_of(std::string_view line) {
  const std::size_t end = line.find('[');
  if (end == npos) return "";
  const std::size_t begin = line.rfind(' ', end);
  return std::string(line.substr(begin == npos ? 0 : begin + 1,
                                 end - (begin == npos ? 0 : begin + 1)));
}

// "NAME[ADDRESS]" or "NAME[ADDRESS]:PORT".
bool read_client(std::string_view text, RefusalEvent& event) {
  const std::size_t open = text.find('['), close = text.find(']');
  if (open == npos || close == npos || close < open) return false;
  event.client_name = text.substr(0, open);
  event.client_address = text.substr(open + 1, close - open - 1);
  return true;
}

// "; from=<> to=<> proto=ESMTP helo=<>", where the reply ends.
void read_envelope(std::string_view text, RefusalEvent& event) {
  std::string_view rest = text;
  event.sender = take(rest, "from=<", ">");
  rest = text;
  event.recipient = take(rest, " to=<", ">");
  rest = text;
  const std::size_t proto = text.rfind(" proto=");
  if (proto == npos) return;
  rest = text.substr(proto + 7);
  event.protocol = rest.substr(0, rest.find(' '));
  event.helo = take(rest, " helo=<", ">");
}

std::vector<std::string_view> lines_of(std::string_view log) {
  std::vector<std::string_view> lines;
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    lines.push_back(log.substr(0, end));
    if (end == npos) break;
    log.remove_prefix(end + 1);
  }
  return lines;
}

// What the lines of a session tell besides its refusals.
struct Surroundings {
  std::string method, user;
  bool encrypted = false;

  void read(std::string_view line) {
    if (line.find("TLS connection established from ") != npos)
      encrypted = true;
    const std::size_t name = line.find(", sasl_username=");
    if (name == npos) return;
    user = line.substr(name + 16);
    std::string_view rest = line;
    method = take(rest, ", sasl_method=", ",").value_or("");
  }
  RefusalEvent with(RefusalEvent event) const {
    event.sasl_method = method;
    event.sasl_user = user;
    event.encrypted = encrypted;
    return event;
  }
};

bool speaks_of(std::string_view line, std::string_view address) {
  return line.find("[" + std::string(address) + "]") != npos;
}

}  // namespace

std::optional<RefusalEvent> parse_refusal(std::string_view line) {
  RefusalEvent event;
  event.tag = tag_of(line);
  const std::size_t at = line.find(": reject: ");
  if (at == npos) return std::nullopt;
  const std::size_t id = line.rfind(' ', at);
  event.queue_id = line.substr(id == npos ? 0 : id + 1,
                               at - (id == npos ? 0 : id + 1));
  std::string_view rest = line.substr(at + 10);
  const std::size_t from = rest.find(" from ");
  if (from == npos) return std::nullopt;
  event.where = rest.substr(0, from);
  if (event.where.empty() || event.where.find(' ') != npos)
    return std::nullopt;
  rest.remove_prefix(from + 6);
  const std::size_t client = rest.find(": ");
  if (client == npos || !read_client(rest.substr(0, client), event))
    return std::nullopt;
  rest.remove_prefix(client + 2);
  // A reply may hold anything, and so may a HELO: the last that looks so.
  std::size_t end = rest.rfind("; from=<");
  if (end == npos) end = rest.rfind("; to=<");
  if (end == npos) end = rest.rfind("; proto=");
  event.reply = rest.substr(0, end);
  if (end != npos) read_envelope(rest.substr(end + 1), event);
  return event;
}

std::vector<RefusalEvent> refusals_of_message(std::string_view log,
                                              std::string_view queue_id) {
  std::vector<RefusalEvent> found;
  Surroundings around;
  for (const std::string_view line : lines_of(log)) {
    const std::string wanted = " " + std::string(queue_id) + ": ";
    if (line.find(wanted) == npos) continue;
    around.read(line);
    if (auto event = parse_refusal(line); event && event->queue_id == queue_id)
      found.push_back(around.with(std::move(*event)));
  }
  return found;
}

std::vector<RefusalEvent> refusals_of_session(std::string_view log,
                                              std::string_view address) {
  std::vector<RefusalEvent> found;
  Surroundings around;
  for (const std::string_view line : lines_of(log)) {
    if (!speaks_of(line, address)) continue;
    if (line.find("]: connect from ") != npos) {
      found.clear();
      around = {};
      continue;
    }
    around.read(line);
    auto event = parse_refusal(line);
    if (event && event->client_address == address)
      found.push_back(around.with(std::move(*event)));
  }
  return found;
}

}  // namespace postern::tools
