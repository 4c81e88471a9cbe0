#include "common/queue/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/text.h"
#include "common/queue/crc32c.h"
#include "common/queue/envelope_lines.h"

namespace postern::queue {
namespace {

constexpr std::string_view magic = "postern-queue-1";

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

// Lines of the envelope section; the letters are those of the format's page.
enum Line : char {
  arrival = 'T',
  sender = 'S',
  envid = 'I',
  ret = 'E',
  body = 'B',
  context = 'C',
  filter = 'F',
  flags = 'G',
  attribute = 'A',
  original = 'O',
  orcpt = 'D',
  notify = 'N',
  recipient = 'R',
  end = '.',
};

void put(std::string& out, Line type, std::string_view value) {
  out += type;
  out += ' ';
  out += escape(value);
  out += '\n';
}

void put_set(std::string& out, Line type, std::string_view value) {
  if (!value.empty()) put(out, type, value);
}

void put_recipient(std::string& out, Recipient& r) {
  put_set(out, original, r.original);
  put_set(out, orcpt, r.orcpt);
  if (r.notify != 0) put(out, notify, std::to_string(r.notify));
  out += recipient;
  r.mark = static_cast<std::int64_t>(out.size());
  out += r.done ? mark_done : mark_pending;
  out += escape(r.address);
  out += '\n';
}

}  // namespace

std::string Envelope::attribute(std::string_view name) const {
  for (const auto& [key, value] : attributes)
    if (key == name) return value;
  return {};
}

std::string escape(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f || c == '\\')
      out += fmt::format("\\x{:02x}", u);
    else
      out += c;
  }
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (i + 3 >= text.size() || text[i + 1] != 'x') return std::nullopt;
    const auto code = parse_hex(text.substr(i + 2, 2));
    if (!code) return std::nullopt;
    out += static_cast<char>(*code);
    i += 3;
  }
  return out;
}

std::string encode_layout(const Layout& layout) {
  std::string out = fmt::format(
      "{} c={:012x}+{:012x} e={:012x}+{:012x} k={:08x} m={:08x}", magic,
      layout.content_offset, layout.content_size, layout.envelope_offset,
      layout.envelope_size, layout.content_crc, layout.envelope_crc);
  out += fmt::format(" p={:08x}", crc32c(0, out));
  out.resize(static_cast<std::size_t>(preamble_size) - 1, ' ');
  out += '\n';
  return out;
}

std::optional<Layout> decode_layout(std::string_view bytes) {
  if (bytes.size() < static_cast<std::size_t>(preamble_size) ||
      !bytes.starts_with(magic))
    return std::nullopt;
  const std::string_view line =
      trim_right(bytes.substr(0, static_cast<std::size_t>(preamble_size)));
  const std::size_t check_at = line.rfind(" p=");
  if (check_at == std::string_view::npos) return std::nullopt;
  const auto check = parse_hex(line.substr(check_at + 3));
  if (!check || *check != crc32c(0, line.substr(0, check_at)))
    return std::nullopt;
  Layout out;
  for (const std::string& word : split_words(line.substr(magic.size(), check_at - magic.size()), " ")) {
    if (word.size() < 3 || word[1] != '=') return std::nullopt;
    const std::string_view value = std::string_view(word).substr(2);
    const std::size_t plus = value.find('+');
    const auto first = parse_hex(value.substr(0, plus));
    const auto second = plus == std::string_view::npos
                            ? std::optional<std::uint64_t>(0)
                            : parse_hex(value.substr(plus + 1));
    if (!first || !second) return std::nullopt;
    const auto a = static_cast<std::int64_t>(*first);
    const auto b = static_cast<std::int64_t>(*second);
    if (word[0] == 'c') {
      out.content_offset = a;
      out.content_size = b;
    } else if (word[0] == 'e') {
      out.envelope_offset = a;
      out.envelope_size = b;
    } else if (word[0] == 'k') {
      out.content_crc = static_cast<std::uint32_t>(a);
    } else if (word[0] == 'm') {
      out.envelope_crc = static_cast<std::uint32_t>(a);
    }
  }
  // The parts lie one behind the other; anything else is not ours. Sums of
  // such sizes cannot overflow.
  constexpr std::int64_t most = std::int64_t{1} << 60;
  if (out.content_offset != preamble_size || out.content_size < 0 ||
      out.content_size > most || out.envelope_size < 0 ||
      out.envelope_size > most ||
      out.envelope_offset != out.content_offset + out.content_size)
    return std::nullopt;
  return out;
}

std::string encode_envelope(Envelope& envelope) {
  std::string out;
  put(out, arrival, std::to_string(envelope.arrival));
  put(out, sender, envelope.sender);
  put_set(out, envid, envelope.envid);
  put_set(out, ret, envelope.ret);
  put_set(out, body, envelope.body);
  put_set(out, context, envelope.context);
  put_set(out, filter, envelope.filter);
  if (envelope.flags != 0) put(out, flags, std::to_string(envelope.flags));
  for (const auto& [name, value] : envelope.attributes)
    put(out, attribute, name + "=" + value);
  for (Recipient& r : envelope.recipients) put_recipient(out, r);
  out += end;
  out += '\n';
  return out;
}

std::string encode_recipients(std::vector<Recipient>& recipients) {
  std::string out;
  for (Recipient& r : recipients) put_recipient(out, r);
  return out;
}

EnvelopeLine take_line(std::string_view line, Envelope& out, Recipient& next) {
  if (line == ".") return EnvelopeLine::end;
  if (line.size() < 2) return EnvelopeLine::damaged;
  std::optional<std::string> value = unescape(line.substr(2));
  if (!value) return EnvelopeLine::damaged;
  const auto number = [&]() { return parse_number(*value).value_or(0); };
  switch (line[0]) {
    case arrival: out.arrival = number(); break;
    case sender: out.sender = std::move(*value); break;
    case envid: out.envid = std::move(*value); break;
    case ret: out.ret = std::move(*value); break;
    case body: out.body = std::move(*value); break;
    case context: out.context = std::move(*value); break;
    case filter: out.filter = std::move(*value); break;
    case flags: out.flags = number(); break;
    case attribute: {
      const std::size_t equals = value->find('=');
      if (equals == std::string::npos) return EnvelopeLine::damaged;
      out.attributes.emplace_back(value->substr(0, equals),
                                  value->substr(equals + 1));
      break;
    }
    case original:
      next.original = std::move(*value);
      return EnvelopeLine::of_recipient;
    case orcpt:
      next.orcpt = std::move(*value);
      return EnvelopeLine::of_recipient;
    case notify: next.notify = number(); return EnvelopeLine::of_recipient;
    case recipient:
      if (line[1] != mark_pending && line[1] != mark_done)
        return EnvelopeLine::damaged;
      next.address = std::move(*value);
      next.done = line[1] == mark_done;
      return EnvelopeLine::recipient;
    default: return EnvelopeLine::damaged;
  }
  return EnvelopeLine::of_message;
}

std::optional<Envelope> decode_envelope(std::string_view bytes) {
  Envelope out;
  Recipient next;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t line_end = bytes.find('\n', at);
    if (line_end == std::string_view::npos) return std::nullopt;
    const std::string_view line = bytes.substr(at, line_end - at);
    const std::size_t line_start = at;
    at = line_end + 1;
    switch (take_line(line, out, next)) {
      case EnvelopeLine::of_message:
      case EnvelopeLine::of_recipient: break;
      case EnvelopeLine::recipient:
        next.mark = static_cast<std::int64_t>(line_start) + 1;
        out.recipients.push_back(std::exchange(next, {}));
        break;
      case EnvelopeLine::end:
        if (at != bytes.size()) return std::nullopt;
        return out;
      case EnvelopeLine::damaged: return std::nullopt;
    }
  }
  return std::nullopt;
}

std::uint32_t envelope_crc(std::string_view bytes, const Envelope& envelope) {
  std::string original_bytes(bytes);
  for (const Recipient& r : envelope.recipients)
    original_bytes[static_cast<std::size_t>(r.mark)] = mark_pending;
  return crc32c(0, original_bytes);
}

namespace {

// "7", or "7-12" for all from 7 to 12.
std::string range_of(const Attempt& a) {
  return a.last > a.index ? fmt::format("{}-{}", a.index, a.last)
                          : fmt::format("{}", a.index);
}

void take_range(std::string_view text, Attempt& a) {
  const std::size_t dash = text.find('-', 1);
  a.index = parse_number(text.substr(0, dash)).value_or(0);
  if (dash != std::string_view::npos)
    a.last = parse_number(text.substr(dash + 1)).value_or(0);
  a.last = std::max(a.last, a.index);
}

}  // namespace

std::string encode_results(const Results& results) {
  std::string records = fmt::format("W {}\n", results.delay_notice);
  for (const Attempt& a : results.attempts)
    records += fmt::format("A {} {} {}\n", range_of(a), escape(a.status),
                           escape(a.text));
  return fmt::format("results {:08x} {:08x}\n", records.size(),
                     crc32c(0, records)) +
         records;
}

Results decode_results(std::string_view bytes) {
  constexpr std::size_t head_size = 8 + 9 + 8 + 1;
  if (bytes.size() < head_size || !bytes.starts_with("results ")) return {};
  const auto size = parse_hex(bytes.substr(8, 8));
  const auto check = parse_hex(bytes.substr(17, 8));
  if (!size || !check || bytes.size() - head_size < *size) return {};
  const std::string_view records = bytes.substr(head_size, *size);
  if (crc32c(0, records) != *check) return {};
  Results out;
  for (const std::string& line : split(records, '\n')) {
    if (line.starts_with("W ")) {
      out.delay_notice = parse_number(line.substr(2)).value_or(0);
    } else if (line.starts_with("A ")) {
      const std::size_t a = line.find(' ', 2);
      const std::size_t b = a == std::string::npos ? a : line.find(' ', a + 1);
      if (b == std::string::npos) return {};
      Attempt attempt;
      take_range(std::string_view(line).substr(2, a - 2), attempt);
      attempt.status = unescape(line.substr(a + 1, b - a - 1)).value_or("");
      attempt.text = unescape(line.substr(b + 1)).value_or("");
      out.attempts.push_back(std::move(attempt));
    }
  }
  return out;
}

}  // namespace postern::queue
