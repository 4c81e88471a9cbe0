#include "cleanup/checks.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::cleanup {
namespace {

using mail::CheckAction;
using mail::HeaderClass;

// Of a line, so much is quoted in the log.
constexpr std::size_t quoted = 200;

std::string_view attribute(const queue::Envelope& envelope,
                           std::string_view name) {
  for (const auto& [key, value] : envelope.attributes)
    if (key == name) return value;
  return {};
}

// What a content filter told of the client goes before who the filter is.
std::string_view logged(const queue::Envelope& envelope,
                        const std::string& name) {
  const std::string_view told = attribute(envelope, "log_" + name);
  return told.empty() ? attribute(envelope, name) : told;
}

// "host[192.0.2.1]; from=<a> to=<b> proto=SMTP helo=<c>"
std::string context_of(const EnvelopeBuilder& builder) {
  const queue::Envelope& envelope = builder.envelope();
  const std::string_view address = logged(envelope, "client_address");
  std::string out(address.empty() ? "local"
                                  : logged(envelope, "client_name"));
  if (!address.empty()) out += "[" + std::string(address) + "]";
  out += "; from=<" + mail::quote_local_822(envelope.sender) + ">";
  const std::string& to = builder.last_recipient();
  if (!to.empty()) out += " to=<" + mail::quote_local_822(to) + ">";
  const std::string_view protocol = logged(envelope, "protocol_name");
  if (!protocol.empty()) out += " proto=" + std::string(protocol);
  const std::string_view helo = logged(envelope, "helo_name");
  if (!helo.empty()) out += " helo=<" + std::string(helo) + ">";
  return out;
}

std::string_view words_for(mail::MimeError error) {
  return error == mail::MimeError::nesting
             ? "MIME nesting exceeds safety limit"
             : "invalid message/* or multipart/* encoding domain";
}

}  // namespace

const std::string& ContentChecks::maps_of(HeaderClass where) const {
  const CheckTables& tables = settings_.checks;
  if (where == HeaderClass::mime && !tables.ignore_mime) return tables.mime;
  return where == HeaderClass::nested ? tables.nested : tables.header;
}

bool ContentChecks::wants_header(HeaderClass where,
                                 const std::string& text) const {
  const std::string& maps = maps_of(where);
  return active() && !maps.empty() && !book_.has_no(maps, text);
}

// An empty line never matches: some tables misbehave for an empty key.
bool ContentChecks::wants_line(const std::string& line,
                               std::int64_t offset) const {
  const CheckTables& tables = settings_.checks;
  return active() && !tables.body.empty() && !line.empty() &&
         (tables.body_limit == 0 || offset < tables.body_limit) &&
         !book_.has_no(tables.body, line);
}

Task<Result<ContentChecks::Outcome>> ContentChecks::header(HeaderClass where,
                                                           std::string text) {
  std::string table = "header_checks";
  if (where == HeaderClass::nested) table = "nested_header_checks";
  if (where == HeaderClass::mime && !settings_.checks.ignore_mime)
    table = "mime_header_checks";
  std::string maps = maps_of(where);
  Result<Outcome> out = co_await ask(std::move(maps), std::move(table), true,
                                     std::move(text));
  co_return std::move(out);
}

Task<Result<ContentChecks::Outcome>> ContentChecks::line(std::string text) {
  std::string maps = settings_.checks.body;
  std::string table = "body_checks";
  Result<Outcome> out = co_await ask(std::move(maps), std::move(table), false,
                                     std::move(text));
  co_return std::move(out);
}

Task<Result<ContentChecks::Outcome>> ContentChecks::ask(std::string maps,
                                                        std::string table,
                                                        bool header,
                                                        std::string text) {
  std::vector<std::string> keys;
  keys.push_back(text);
  Result<ipc::TableAnswer> found =
      co_await book_.find(std::move(maps), std::move(keys), 1);
  if (!found || found->trouble.present) {
    log_.warning("{}: {} map lookup problem -- message not accepted, try again "
                 "later",
                 queue_id_, table);
    co_return try_later("3.0", "Error: queue file write error");
  }
  if (!found->found) co_return Outcome();
  mail::CheckPlace place;
  place.table = table;
  place.header = header;
  const mail::CheckVerdict verdict = mail::parse_check(found->value, place);
  if (!verdict.warning.empty()) log_.warning(verdict.warning);
  co_return apply(verdict.check, header ? "header" : "body", text);
}

Result<ContentChecks::Outcome> ContentChecks::apply(const mail::Check& check,
                                                    const std::string& kind,
                                                    const std::string& text) {
  Outcome out;
  ipc::MessageMark mark;
  const bool reject = check.action == CheckAction::reject;
  const std::string_view word = mail::log_word(check.action);
  if (!word.empty())
    log(word, kind, text,
        reject ? check.status + " " + check.text : check.text);
  switch (check.action) {
    case CheckAction::reject:
      return Trouble{check.status[0] == '4' ? Lasting::temporary
                                            : Lasting::permanent,
                     check.status.substr(2), check.text};
    case CheckAction::discard:
      discarded_ = true;
      mark.flags = ipc::discard_message;
      break;
    case CheckAction::hold: mark.flags = ipc::hold_message; break;
    case CheckAction::filter: mark.filter = check.text; break;
    case CheckAction::redirect: mark.redirect = check.text; break;
    case CheckAction::bcc: envelope_.also_to(check.text); break;
    case CheckAction::pass: passed_ = true; break;
    case CheckAction::prepend: out.prepended = check.text; break;
    case CheckAction::replace: out.replaced = check.text; break;
    case CheckAction::ignore:
    case CheckAction::strip: out.dropped = true; break;
    case CheckAction::dunno:
    case CheckAction::info:
    case CheckAction::warn: break;
  }
  envelope_.mark(mark);
  return out;
}

void ContentChecks::log(std::string_view word, const std::string& what,
                        std::string_view content,
                        std::string_view detail) const {
  log_.info("{}: {}: {} {} from {}{}{}", queue_id_, word, what,
            printable(content.substr(0, quoted)), context_of(envelope_),
            detail.empty() ? "" : ": ", detail);
}

// --- without tables ---

Status ContentChecks::screen(std::string& bytes) const {
  const CheckTables& tables = settings_.checks;
  if (tables.stripped.empty() && tables.refused.empty()) return {};
  if (!enabled() || passed_) return {};
  const std::size_t bad = tables.refused.empty()
                              ? std::string::npos
                              : bytes.find_first_of(tables.refused);
  if (bad != std::string::npos) {
    const std::size_t start = bytes.rfind('\n', bad) + 1;  // 0 for npos
    const std::string_view rest = std::string_view(bytes).substr(start);
    log("reject", "content", rest.substr(0, rest.find('\n', bad - start)),
        "5.7.1 disallowed character");
    return give_up("7.1", "disallowed character");
  }
  std::erase_if(bytes, [&](char c) {
    return tables.stripped.find(c) != std::string::npos;
  });
  return {};
}

Status ContentChecks::refuse(std::string_view why,
                             std::string_view content) const {
  log("reject", "mime-error " + std::string(why) + ":", content, "");
  return give_up("6.0", std::string(why));
}

// RFC 6532 allows UTF-8 where SMTPUTF8 was asked for.
Status ContentChecks::header_bytes(const std::string& text) const {
  if (!settings_.checks.ascii_headers || all_ascii(text) || passed_ ||
      envelope_.has(ipc::smtputf8_requested))
    return {};
  return refuse("improper use of 8-bit data in message header", text);
}

Status ContentChecks::text_bytes(const mail::MimeReader::Item& item) const {
  if (!settings_.checks.declared_bodies || passed_ ||
      item.domain != mail::EncodingDomain::seven_bit || all_ascii(item.bytes))
    return {};
  return refuse("improper use of 8-bit data in message body",
                trim_right(item.bytes));
}

Status ContentChecks::structure(
    const mail::MimeReader::Item& section_end) const {
  const mail::MimeError error = section_end.error;
  if (error == mail::MimeError::none) return {};
  if (error == mail::MimeError::encoding_domain &&
      !settings_.checks.encoding_domain)
    return {};
  return refuse(words_for(error), section_end.error_text);
}

}  // namespace postern::cleanup
