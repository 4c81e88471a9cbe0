// How a session reads its lines and sends its replies, and the transcript for
// the postmaster.
#include <fmt/format.h>

#include <ctime>

#include "common/base/text.h"
#include "common/mail/status.h"
#include "common/tables/network.h"
#include "smtpd/replies.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

// Replies wait for the end of a pipelined group, up to this much.
constexpr std::size_t most_unsent = 4096;

// The initial response of AUTH may be a password; transcripts are mailed.
std::string without_secret(std::string line) {
  if (!starts_with_nocase(trim_left(line), "AUTH ")) return line;
  const std::vector<std::string> words = split_words(line, " \t");
  if (words.size() < 3) return line;
  return words[0] + " " + words[1] + " (response)";
}

}  // namespace

void Session::start_request() { request_start_ = Clock::now(); }

// Waits for more input, after what we have to say has gone out.
Task<void> Session::fill() {
  const Millis whole = settings_->timeout;
  if (stream_.unsent() > 0) {
    co_await stream_.flush(whole);
  }
  Millis limit = whole;
  if (settings_->per_request_deadline) {
    Millis allowed = whole;
    if (settings_->min_data_rate > 0)
      allowed += Millis(content_bytes_ * 1000 / settings_->min_data_rate);
    const auto used = std::chrono::duration_cast<Millis>(Clock::now() -
                                                         request_start_);
    limit = std::max(Millis(0), std::min(whole, allowed - used));
  }
  co_await stream_.fill(limit);
}

// A line without its end. What is longer than `longest` is cut, and the rest
// of it skipped.
Task<Session::LineRead> Session::read_line(std::int64_t longest, bool secret) {
  const auto most = static_cast<std::size_t>(longest);
  std::string line;
  bool cut = false;
  content_bytes_ = 0;
  start_request();
  for (;;) {
    const std::string_view input = stream_.buffered();
    const std::size_t newline = input.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::size_t take = whole ? newline + 1 : input.size();
    const std::size_t room = most + 1 - std::min(most + 1, line.size());
    if (whole || take > room || cut) {
      cut = cut || take > room + (whole ? 1 : 0);
      line += input.substr(0, std::min(take, room));
      stream_.consume(take);
    }
    if (whole) break;
    co_await fill();
  }
  if (!line.empty() && line.back() == '\n') line.pop_back();
  bare_command_ = line.empty() || line.back() != '\r';
  if (cut) bare_command_ = false;
  if (!bare_command_ && !cut) line.pop_back();
  if (bare_command_ && bare_newline_ == BareNewline::note)
    noted_bare_newline_ = true;
  if (cut) {
    line.resize(std::min(line.size(), most));
    const bool hidden = secret || starts_with_nocase(line, "AUTH ");
    log_.warning("{}: request longer than {}: {}...", facts_.client.shown(),
                 most, hidden ? "AUTH" : printable(line.substr(0, 30)));
  }
  record("In", secret ? "(response)" : without_secret(line));
  co_return LineRead{std::move(line), cut};
}

Task<bool> Session::refuse(Fault fault, std::string text) {
  facts_.note(fault);
  co_await reply(std::move(text));
  co_return false;
}

// `text` may have several lines, each with its code, joined by "\n".
Task<void> Session::reply(std::string text) {
  if (settings_->soft_bounce) text = mail::soften_reply(text);
  if (text[0] == '4' || text[0] == '5') {
    if (!settings_->reject_footer.empty() ||
        !settings_->reject_footer_maps.empty()) {
      text = co_await footer_for(std::move(text));
    }
    if (text.starts_with("421") || text.starts_with("521")) closing_ = true;
  }
  record("Out", text);
  if (errors_ >= settings_->soft_limit && settings_->error_sleep > Millis(0)) {
    co_await pause(settings_->error_sleep);
  }
  stream_.put(wire_form(text));
  if (stream_.unsent() > most_unsent) {
    co_await stream_.flush(settings_->timeout);
  }
}

Task<std::string> Session::footer_for(std::string text) {
  std::string footer = settings_->reject_footer;
  if (!settings_->reject_footer_maps.empty()) {
    ipc::TableFind question;
    question.maps = settings_->reject_footer_maps;
    question.keys.push_back(text);
    Result<ipc::TableAnswer> found =
        co_await surroundings_.find(std::move(question));
    if (found && found->found) footer = found->value;
  }
  if (footer.empty()) co_return text;
  co_return with_footer(
      text, footer, [this](std::string_view name) { return footer_value(name); },
      settings_->expansion_filter);
}

std::string Session::footer_value(std::string_view name) const {
  const Client& client = facts_.client;
  if (name == "client") return client.shown();
  if (name == "client_address") return client.address;
  if (name == "client_name") return client.name;
  if (name == "client_port") return client.port;
  if (name == "reverse_client_name") return client.reverse_name;
  if (name == "helo_name") return facts_.helo.value_or("");
  if (name == "server_name") return settings_->myhostname;
  if (name == "sender") {
    if (!facts_.sender) return "";
    return facts_.sender->empty() ? "<>" : *facts_.sender;
  }
  if (name == "recipient") return facts_.recipient.value_or("");
  if (name == "localtime") {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    char text[64];
    const std::size_t size =
        std::strftime(text, sizeof text, "%b %d %H:%M:%S", &local);
    return std::string(text, size);
  }
  return "";
}

// The transcript grows only as far as smtpd_history_flush_threshold lines; a
// transaction's end clears it when it is longer.
void Session::record(std::string_view direction, std::string_view text) {
  if (settings_->notify_faults == 0) return;
  if (history_lines_ >= settings_->history_threshold &&
      (facts_.faults & settings_->notify_faults) == 0) {
    history_.clear();
    history_lines_ = 0;
  }
  if (history_lines_ >= 10 * settings_->history_threshold) return;
  for (const std::string& line : split(text, '\n')) {
    history_ += direction == "In" ? " In:  " : " Out: ";
    history_ += printable(line, '?');
    history_ += '\n';
    ++history_lines_;
  }
}

std::string Session::anvil_key() const {
  std::string address = facts_.client.address;
  if (std::optional<tables::Address> parsed = tables::parse_address(address)) {
    const std::int64_t keep =
        parsed->v6 ? settings_->ipv6_prefix : settings_->ipv4_prefix;
    for (std::int64_t bit = keep; bit < parsed->bits(); ++bit)
      parsed->bytes[static_cast<std::size_t>(bit / 8)] &=
          static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
    if (keep < parsed->bits())
      address = fmt::format("{}/{}", parsed->text(), keep);
  }
  return facts_.service + ":" + address;
}

}  // namespace postern::smtpd
