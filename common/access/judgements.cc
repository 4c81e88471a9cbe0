#include "common/access/judgements.h"

#include <fmt/format.h>

#include "common/mail/address.h"

namespace postern::access {
namespace {

std::string_view without_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

Judged judge_literal(std::string_view helo, int code) {
  if (mail::valid_literal(helo)) return Judged::none();
  return Judged::refused(
      Fault::policy, code, "5.5.2",
      fmt::format("<{}>: Helo command rejected: invalid ip address", helo));
}

}  // namespace

Judged judge_helo_syntax(std::string_view helo, int code) {
  if (helo.starts_with('[')) return judge_literal(helo, code);
  const std::string_view name = without_dot(helo);
  if (mail::valid_utf8_hostname(name) || mail::valid_hostaddr(name))
    return Judged::none();
  return Judged::refused(
      Fault::policy, code, "5.5.2",
      fmt::format("<{}>: Helo command rejected: Invalid name", helo));
}

Judged judge_helo_fqdn(std::string_view helo, int code, int literal_code) {
  if (helo.starts_with('[')) return judge_literal(helo, literal_code);
  const std::string_view name = without_dot(helo);
  if (mail::valid_utf8_hostname(name) &&
      name.find('.') != std::string_view::npos)
    return Judged::none();
  return Judged::refused(
      Fault::policy, code, "5.5.2",
      fmt::format("<{}>: Helo command rejected: need fully-qualified hostname",
                  helo));
}

Judged judge_naked_address(std::string_view helo, int code) {
  if (helo.find_first_not_of("0123456789.:") != std::string_view::npos)
    return Judged::none();
  if (mail::valid_hostaddr(helo)) return Judged::permitted();
  return Judged::refused(
      Fault::policy, code, "5.5.2",
      fmt::format("<{}>: Helo command rejected: invalid ip address", helo));
}

Judged judge_fqdn_address(std::string_view address, std::string_view kind,
                          int code) {
  const std::string_view domain = mail::split_address(address).domain;
  if (domain.starts_with('[') && domain.ends_with(']')) return Judged::none();
  const std::string_view name = without_dot(domain);
  if (mail::valid_utf8_hostname(name) &&
      name.find('.') != std::string_view::npos)
    return Judged::none();
  return Judged::refused(
      Fault::policy, code, "5.5.2",
      fmt::format("<{}>: {} rejected: need fully-qualified address", address,
                  kind));
}

}  // namespace postern::access
