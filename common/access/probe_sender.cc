#include "common/access/probe_sender.h"

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::access {
namespace {

// Letters and digits that look like a part of a name.
std::string period_name(std::int64_t number) {
  constexpr std::string_view digits = "0123456789bcdfghjklmnpqrstvwxyz";
  const auto base = static_cast<std::int64_t>(digits.size());
  std::string out;
  do {
    out.insert(out.begin(), digits[static_cast<std::size_t>(number % base)]);
    number /= base;
  } while (number > 0);
  return out;
}

}  // namespace

ProbeSender::ProbeSender(const config::Config& config)
    : ttl_(std::chrono::seconds(config.get<"address_verify_sender_ttl">())
               .count()) {
  const std::string address = config.get<"address_verify_sender">();
  if (address.empty() || address == "<>") return;
  const mail::AddressParts parts = mail::split_address(address);
  local_ = parts.has_at ? parts.local : std::string_view(address);
  domain_ = parts.has_at ? std::string(parts.domain)
                         : config.get<"myorigin">();
}

std::string ProbeSender::address(std::int64_t now) const {
  if (local_.empty()) return "";
  if (ttl_ == 0) return local_ + "@" + domain_;
  return local_ + period_name(now / ttl_) + "@" + domain_;
}

std::optional<std::string> ProbeSender::accepted(std::string_view recipient,
                                                 std::int64_t now) const {
  if (local_.empty()) return std::nullopt;
  const std::string plain = local_ + "@" + domain_;
  if (equal_nocase(recipient, plain)) return plain;
  if (ttl_ == 0) return std::nullopt;
  for (const std::int64_t when : {now - ttl_, now, now + ttl_})
    if (equal_nocase(recipient, address(when))) return plain;
  return std::nullopt;
}

}  // namespace postern::access
