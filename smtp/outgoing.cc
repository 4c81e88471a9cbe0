#include "smtp/outgoing.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

using mail::CheckAction;

// Of a line, so much is quoted in the log.
constexpr std::size_t quoted = 60;

mail::MimeReader::Limits limits_of(const Settings& settings) {
  mail::MimeReader::Limits limits;
  limits.header = settings.header_size_limit;
  limits.boundary = settings.mime_boundary_limit;
  limits.line = settings.body_line_limit;
  limits.nesting = settings.mime_nesting_limit;
  limits.by_line = !settings.checks.body.maps.empty();
  return limits;
}

}  // namespace

Outgoing::Outgoing(const Settings& settings, Resolver& resolver,
                   const log::Log& log, GenericMap& generic,
                   const std::string& queue_id, bool convert)
    : settings_(settings),
      resolver_(resolver),
      log_(log),
      generic_(generic),
      queue_id_(queue_id),
      convert_(convert),
      splitter_(settings.header_size_limit),
      reader_(limits_of(settings)),
      read_body_(convert || settings.checks.any()) {}

Task<Status> Outgoing::feed(std::string piece, std::string* out) {
  if (in_body_) {
    co_return co_await body(std::move(piece), out);
  }
  pending_ += piece;
  std::size_t at = 0;
  while (!in_body_) {
    const std::size_t end = pending_.find('\n', at);
    if (end == std::string::npos) break;
    std::string line = pending_.substr(at, end - at);
    at = end + 1;
    if (std::exchange(skipping_, false)) continue;
    Status done = co_await header_line(std::move(line), out);
    if (!done) co_return std::move(done);
  }
  pending_.erase(0, at);
  if (!in_body_ &&
      (skipping_ || pending_.size() > settings_.header_size_limit)) {
    // A line that never ends: as a header it is cut at the limit.
    std::string line = std::exchange(pending_, std::string());
    if (std::exchange(skipping_, true)) co_return Status();
    Status done = co_await header_line(std::move(line), out);
    if (!done) co_return std::move(done);
  }
  if (!in_body_) co_return Status();
  skipping_ = false;
  std::string rest = std::exchange(pending_, std::string());
  co_return co_await body(std::move(rest), out);
}

Task<Status> Outgoing::finish(std::string* out) {
  if (!in_body_ && !pending_.empty()) {
    std::string line = std::exchange(pending_, std::string());
    Status done = co_await header_line(std::move(line), out);
    if (!done) co_return std::move(done);
  }
  if (!in_body_) {
    std::optional<mail::Header> last = splitter_.finish();
    if (last) {
      Status done = co_await take_header(std::move(*last), out);
      if (!done) co_return std::move(done);
    }
    end_headers(out);
  }
  if (!read_body_) co_return Status();
  reader_.finish();
  Status done = co_await read_items(out);
  encoder_.finish(*out);
  co_return std::move(done);
}

// --- the message's own headers ---

Task<Status> Outgoing::header_line(std::string line, std::string* out) {
  std::optional<mail::Header> completed;
  const mail::HeaderSplitter::Line kind = splitter_.feed(line, completed);
  if (completed) {
    Status done = co_await take_header(std::move(*completed), out);
    if (!done) co_return std::move(done);
  }
  if (kind == mail::HeaderSplitter::Line::header) co_return Status();
  end_headers(out);
  *out += '\n';
  if (kind == mail::HeaderSplitter::Line::separator) co_return Status();
  line += skipping_ ? "" : "\n";
  co_return co_await body(std::move(line), out);
}

Task<Status> Outgoing::take_header(mail::Header header, std::string* out) {
  reader_.primary(header);
  if (convert_ && mail::declares_eight_bit(header)) co_return Status();
  std::string text = header.text;
  std::string looked_at = header.text;
  Result<std::optional<mail::Check>> rule =
      co_await check(&map_of(mail::primary_class(header)), true,
                     std::move(looked_at));
  if (!rule) co_return rule.trouble();
  if (*rule && !apply(**rule, text, out)) co_return Status();
  if (!generic_.empty() && header.info().has_addresses()) {
    std::string before = text;
    Result<std::optional<std::string>> mapped = co_await generic_.map_header(
        std::move(before), mail::header_name_length(text));
    if (!mapped) co_return mapped.trouble();
    if (*mapped) text = std::move(**mapped);
  }
  *out += text;
  *out += '\n';
  co_return Status();
}

void Outgoing::end_headers(std::string* out) {
  in_body_ = true;
  if (read_body_) section_end(reader_.begin_body(), out);
}

// --- the body ---

Task<Status> Outgoing::body(std::string bytes, std::string* out) {
  if (!read_body_) {
    *out += bytes;
    co_return Status();
  }
  reader_.feed(bytes);
  co_return co_await read_items(out);
}

Task<Status> Outgoing::read_items(std::string* out) {
  for (;;) {
    std::optional<Item> item = reader_.next();
    if (!item) co_return Status();
    Status done;
    if (item->kind == Item::Kind::header) {
      done = co_await part_header(std::move(*item), out);
    } else if (item->kind == Item::Kind::text) {
      done = co_await text(std::move(*item), out);
    } else {
      section_end(*item, out);
    }
    if (!done) co_return std::move(done);
  }
}

Task<Status> Outgoing::part_header(Item item, std::string* out) {
  if (convert_ && mail::declares_eight_bit(item.header)) co_return Status();
  std::string text = item.header.text;
  std::string looked_at = text;
  Result<std::optional<mail::Check>> rule =
      co_await check(&map_of(item.header_class), true, std::move(looked_at));
  if (!rule) co_return rule.trouble();
  if (*rule && !apply(**rule, text, out)) co_return Status();
  *out += text;
  *out += '\n';
  co_return Status();
}

// The new encoding stands where the headers end. What has parts is converted
// part by part (RFC 2045 section 6.4).
void Outgoing::section_end(const Item& item, std::string* out) {
  if (convert_ && item.domain != mail::EncodingDomain::seven_bit) {
    *out += "Content-Transfer-Encoding: ";
    *out += item.composite ? "7bit\n" : "quoted-printable\n";
  }
  *out += item.bytes;
}

Task<Status> Outgoing::text(Item item, std::string* out) {
  const bool encode =
      convert_ && item.domain != mail::EncodingDomain::seven_bit;
  const bool whole = item.ends_line();
  std::string line = std::move(item.bytes);
  if (!settings_.checks.body.maps.empty()) {
    if (whole) line.pop_back();
    std::string looked_at = line;
    Result<std::optional<mail::Check>> rule =
        co_await check(&settings_.checks.body, false, std::move(looked_at));
    if (!rule) co_return rule.trouble();
    if (*rule && !apply(**rule, line, out)) co_return Status();
    if (whole) line += '\n';
  }
  if (encode)
    encoder_.encode(line, *out);
  else
    *out += line;
  co_return Status();
}

// --- rules ---

const CheckMap& Outgoing::map_of(mail::HeaderClass where) const {
  switch (where) {
    case mail::HeaderClass::mime: return settings_.checks.mime;
    case mail::HeaderClass::nested: return settings_.checks.nested;
    case mail::HeaderClass::primary: break;
  }
  return settings_.checks.header;
}

Task<Result<std::optional<mail::Check>>> Outgoing::check(const CheckMap* map,
                                                         bool header,
                                                         std::string text) {
  std::optional<mail::Check> none;
  // Empty lines never match: some tables misbehave for an empty key.
  if (map->maps.empty() || text.empty() || resolver_.has_no(map->maps, text))
    co_return none;
  ipc::TableFind question;
  question.maps = map->maps;
  question.keys.push_back(text);
  Result<ipc::TableAnswer> answer =
      co_await resolver_.table(std::move(question));
  if (!answer) co_return answer.trouble();
  if (!answer->found) co_return none;
  mail::CheckPlace place;
  place.table = map->parameter;
  place.header = header;
  place.while_sending = true;
  mail::CheckVerdict verdict = mail::parse_check(answer->value, place);
  if (!verdict.warning.empty()) log_.warning(verdict.warning);
  const std::string_view word = mail::log_word(verdict.check.action);
  if (!word.empty())
    log_.info("{}: {}: {} {}{}{}", queue_id_, word, header ? "header" : "body",
              printable(std::string_view(text).substr(0, quoted)),
              verdict.check.text.empty() ? "" : ": ", verdict.check.text);
  co_return std::move(verdict.check);
}

bool Outgoing::apply(const mail::Check& check, std::string& text,
                     std::string* out) {
  switch (check.action) {
    case CheckAction::ignore:
    case CheckAction::strip: return false;
    case CheckAction::replace: text = check.text; return true;
    case CheckAction::prepend:
      *out += check.text;
      *out += '\n';
      return true;
    default: return true;
  }
}

}  // namespace postern::smtp
