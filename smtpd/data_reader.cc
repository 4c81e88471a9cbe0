#include "smtpd/data_reader.h"

#include <algorithm>

namespace postern::smtpd {
namespace {

constexpr auto npos = std::string_view::npos;

// Before the first line is judged, this much of it must be there.
constexpr std::size_t enough_of_first_line = 512;

// "From " lines of mbox files, quoted or not, are no header (mbox senders).
bool is_mbox_line(std::string_view line) {
  const std::size_t at = line.find_first_not_of('>');
  return at != npos && line.substr(at).starts_with("From ");
}

}  // namespace

bool DataReader::is_end(std::string_view text, bool bare) {
  if (framing_ != Framing::dot || text != ".") return false;
  return rule_ == EndRule::any_newline || (!bare && !previous_bare_);
}

// The rest of a line that starts here, or began earlier.
void DataReader::part(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (line_start_ && framing_ == Framing::dot && text[0] == '.')
    text.remove_prefix(1);
  line_start_ = false;
  out += text;
  size_ += static_cast<std::int64_t>(text.size());
}

void DataReader::line(std::string_view text, bool bare, std::string& out) {
  if (line_start_ && is_end(text, bare)) {
    ended_ = true;
    return;
  }
  const bool lone_dot =
      line_start_ && framing_ == Framing::dot && text == ".";
  const bool was_bare = previous_bare_;
  previous_bare_ = bare;
  saw_bare_newline_ = saw_bare_newline_ || bare;
  // Half an end of data: neither an end nor a line.
  if (lone_dot && (bare || was_bare)) return;
  part(text, out);
  out += '\n';
  size_ += 2;
  line_start_ = true;
}

// What begins a message decides whether it has a header at all: an mbox line
// is renamed, a line that begins with a blank belongs to the body.
std::size_t DataReader::first_line(std::string_view input, std::string& out) {
  const std::size_t newline = input.find('\n');
  const bool longish = std::min(newline, input.size()) >= enough_of_first_line;
  if (newline == npos && !longish) return npos;
  // The same is looked at however much has come.
  std::string_view text =
      input.substr(0, longish ? enough_of_first_line : newline);
  if (framing_ == Framing::dot && text.starts_with('.')) text.remove_prefix(1);
  if (is_mbox_line(text)) {
    out += "X-Mailbox-Line: ";
    if (longish) first_ = false;
    return 0;  // and the next line is a first line again
  }
  first_ = false;
  if (!text.empty() && (text[0] == ' ' || text[0] == '\t')) out += '\n';
  return 0;
}

std::size_t DataReader::tail(std::string_view input, std::string& out) {
  std::string_view safe = input;
  if (!safe.empty() && safe.back() == '\r') safe.remove_suffix(1);
  // "." at the start of a line may become the end.
  if (line_start_ && framing_ == Framing::dot && safe == ".") return 0;
  part(safe, out);
  return safe.size();
}

std::size_t DataReader::feed(std::string_view input, std::string& out) {
  std::size_t at = 0;
  while (!ended_ && at < input.size()) {
    if (first_ && line_start_ && first_line(input.substr(at), out) == npos)
      break;
    const std::size_t newline = input.find('\n', at);
    if (newline == npos) {
      at += tail(input.substr(at), out);
      break;
    }
    const bool bare = newline == at || input[newline - 1] != '\r';
    line(input.substr(at, newline - at - (bare ? 0 : 1)), bare, out);
    at = newline + 1;
  }
  return at;
}

void DataReader::finish(std::string_view rest, std::string& out) {
  if (!rest.empty()) {
    std::string last(rest);
    if (last.back() == '\r') last.pop_back();
    last += "\r\n";
    feed(last, out);
  } else if (!line_start_) {
    line("", false, out);
  }
  ended_ = true;
}

}  // namespace postern::smtpd
