#include "cleanup/headers.h"

#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/date.h"
#include "common/mail/tokens.h"
#include "common/queue/queue_id.h"

namespace postern::cleanup {
namespace {

using mail::HeaderId;
using mail::HeaderUse;

// "20261122180000": the part of a message id that says when.
std::string id_time(std::int64_t microseconds) {
  const std::time_t when = static_cast<std::time_t>(microseconds / 1000000);
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  char text[32];
  const std::size_t size =
      std::strftime(text, sizeof text, "%Y%m%d%H%M%S", &parts);
  return std::string(text, size);
}

std::string unfolded(std::string_view value) {
  return replace_all(std::string(value), "\n", " ");
}

}  // namespace

std::optional<route::Context> header_context(const Settings& settings,
                                             const std::string& context) {
  if (context == "local") return route::Context::local;
  if (!settings.remote_header_rewrite_domain.empty())
    return route::Context::remote;
  return std::nullopt;
}

bool HeaderPass::dropped(const mail::Header& header) const {
  return settings_.dropped_headers.count(to_lower(header.name())) > 0;
}

Task<Result<std::string>> HeaderPass::take(mail::Header header) {
  const mail::HeaderInfo& info = header.info();
  seen_.insert(info.id);
  if (!all_ascii(header.text)) beyond_ascii_ = true;
  if (info.has(HeaderUse::resent)) resent_ = true;
  if (info.id == HeaderId::content_transfer_encoding && settings_.detect_8bit) {
    if (equal_nocase(header.value(), "7bit")) body_type_ = "7BIT";
    if (equal_nocase(header.value(), "8bit")) body_type_ = "8BITMIME";
  }
  if (info.id == HeaderId::message_id)
    log_.info("{}: message-id={}", origin_.queue_id, unfolded(header.value()));
  if (info.id == HeaderId::resent_message_id)
    log_.info("{}: resent-message-id={}", origin_.queue_id,
              unfolded(header.value()));
  if (info.id == HeaderId::received && ++hops_ >= settings_.hopcount_limit) {
    log_.warning("{}: message rejected: hopcount exceeded", origin_.queue_id);
    co_return give_up("4.0", "Error: too many hops");
  }
  if (dropped(header)) co_return std::string();
  if (!origin_.context || !info.has_addresses())
    co_return std::move(header.text) + "\n";

  const Place place = info.has(HeaderUse::sender) ? Place::header_sender
                                                  : Place::header_recipient;
  Addresses mapped;
  if (origin_.map_addresses && mapper_.maps(place)) {
    std::string value(header.value());
    Result<Addresses> found = co_await map_addresses(std::move(value), place);
    if (!found) co_return found.trouble();
    mapped = std::move(*found);
  }
  const auto rewrite = [&](const std::string& address) {
    const auto known = mapped.find(address);
    return known != mapped.end() ? known->second
                                 : book_.rewrite(address, *origin_.context);
  };
  std::optional<std::string> changed = mail::rewrite_header_addresses(
      header.text, header.name_length, rewrite, settings_.address_token_limit);
  std::string out = changed ? std::move(*changed) : std::move(header.text);
  out += '\n';
  co_return std::move(out);
}

// Tables are asked before the text is touched: each address once.
Task<Result<HeaderPass::Addresses>> HeaderPass::map_addresses(
    std::string value, Place place) {
  Addresses mapped;
  const std::vector<std::string> addresses =
      mail::AddressList(value, settings_.address_token_limit).addresses();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (mapped.count(addresses[i]) > 0) continue;
    std::string complete = book_.rewrite(addresses[i], *origin_.context);
    Result<std::string> one = co_await mapper_.canonicalize(
        std::move(complete), place, origin_.queue_id);
    if (!one) co_return one.trouble();
    mapped.emplace(addresses[i], std::move(*one));
  }
  co_return std::move(mapped);
}

bool HeaderPass::seen(HeaderId plain, HeaderId resent) const {
  return seen_.count(resent_ ? resent : plain) > 0;
}

std::string HeaderPass::missing(const std::string& sender) {
  const bool add =
      origin_.context.has_value() || settings_.always_add_missing_headers;
  const std::string prefix = resent_ ? "Resent-" : "";
  std::string out;
  if (!seen(HeaderId::message_id, HeaderId::resent_message_id)) {
    // A long queue id is never used twice, so it needs no time beside it.
    const std::string time = queue::is_long_id(origin_.queue_id)
                                 ? ""
                                 : id_time(origin_.arrival) + ".";
    const std::string id =
        "<" + time + origin_.queue_id + "@" + settings_.myhostname + ">";
    if (add) out += prefix + "Message-Id: " + id + "\n";
    log_.info("{}: {}message-id={}", origin_.queue_id,
              add && resent_ ? "resent-" : "", add ? id : "<>");
  }
  if (!add) return out;
  if (!seen(HeaderId::date, HeaderId::resent_date))
    out += prefix + "Date: " +
           mail::header_date(static_cast<std::time_t>(origin_.arrival /
                                                      1000000)) +
           "\n";
  if (!seen(HeaderId::from, HeaderId::resent_from))
    out += mail::from_header(prefix + "From",
                             sender.empty() ? "" : origin_.full_name,
                             sender.empty() ? "MAILER-DAEMON" : sender,
                             settings_.from_format) +
           "\n";
  const bool addressed =
      seen_.count(HeaderId::to) > 0 || seen_.count(HeaderId::cc) > 0 ||
      seen_.count(HeaderId::resent_to) > 0 ||
      seen_.count(HeaderId::resent_cc) > 0;
  const std::string& stand_in = settings_.undisclosed_recipients_header;
  if (!addressed && mail::header_name_length(stand_in) > 0)
    out += stand_in + "\n";
  return out;
}

}  // namespace postern::cleanup
