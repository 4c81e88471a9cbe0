#include "common/access/policy.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/values.h"

namespace postern::access {
namespace {

Trouble fault(std::string_view argument, const std::string& why) {
  return give_up("3.5", fmt::format("check_policy_service {}: {}", argument,
                                    why));
}

Status name_endpoint(std::string_view word, const std::string& base,
                     PolicyService& service) {
  const auto endpoint =
      config::parse_endpoint(word, base, config::Bare::nothing);
  if (!endpoint) return fault(word, "expected inet:host:port or unix:path");
  service.endpoint = *endpoint;
  service.name = word.substr(word.find(':') + 1);
  return {};
}

Status set_duration(std::string_view name, std::string_view value,
                    Millis& out) {
  const auto seconds = config::parse_duration(value, 's');
  if (seconds && seconds->count() > 0) {
    out = *seconds;
    return {};
  }
  return give_up("3.5", fmt::format("bad time for {}: \"{}\"", name, value));
}

Status set_number(std::string_view name, std::string_view value,
                  std::int64_t least, std::int64_t& out) {
  const std::optional<std::int64_t> number = parse_number(value);
  if (number && *number >= least) {
    out = *number;
    return {};
  }
  return give_up("3.5", fmt::format("bad number for {}: \"{}\"", name, value));
}

Status set(PolicyService& s, std::string_view name, std::string_view value) {
  if (name == "timeout") return set_duration(name, value, s.timeout);
  if (name == "retry_delay") return set_duration(name, value, s.retry_delay);
  if (name == "max_idle") return set_duration(name, value, s.max_idle);
  if (name == "max_ttl") return set_duration(name, value, s.max_ttl);
  if (name == "try_limit") return set_number(name, value, 1, s.try_limit);
  if (name == "request_limit")
    return set_number(name, value, 0, s.request_limit);
  if (name == "default_action")
    s.default_action = value;
  else if (name == "policy_context")
    s.context = value;
  else
    return give_up("3.5", fmt::format(
        "unknown setting \"{}\"; known are timeout, retry_delay, max_idle, "
        "max_ttl, try_limit, request_limit, default_action, policy_context",
        name));
  return {};
}

PolicyService with_defaults(const config::Config& config) {
  PolicyService s;
  s.timeout = config.get<"smtpd_policy_service_timeout">();
  s.retry_delay = config.get<"smtpd_policy_service_retry_delay">();
  s.max_idle = config.get<"smtpd_policy_service_max_idle">();
  s.max_ttl = config.get<"smtpd_policy_service_max_ttl">();
  s.try_limit = config.get<"smtpd_policy_service_try_limit">();
  s.request_limit = config.get<"smtpd_policy_service_request_limit">();
  s.default_action = config.get<"smtpd_policy_service_default_action">();
  s.context = config.get<"smtpd_policy_service_policy_context">();
  return s;
}

}  // namespace

Result<PolicyService> parse_policy_service(std::string_view argument,
                                           const config::Config& config) {
  PolicyService service = with_defaults(config);
  const std::string base = config.get<"queue_directory">();
  if (!argument.starts_with('{')) {
    const Status named = name_endpoint(argument, base, service);
    if (!named) return named.trouble();
    return service;
  }
  if (!argument.ends_with('}') || argument.size() < 2)
    return fault(argument, "no \"}\" at the end");
  const auto words = split_braced(argument.substr(1, argument.size() - 2));
  if (!words || words->empty()) return fault(argument, "unbalanced braces");
  const Status named = name_endpoint(words->front(), base, service);
  if (!named) return named.trouble();
  for (std::size_t i = 1; i < words->size(); ++i) {
    std::string_view word = (*words)[i];
    if (word.starts_with('{') && word.ends_with('}'))
      word = trim(word.substr(1, word.size() - 2));
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos)
      return fault(argument, fmt::format("expected name = value, not \"{}\"",
                                         word));
    const Status done = set(service, trim(word.substr(0, equals)),
                            trim(word.substr(equals + 1)));
    if (!done) return fault(argument, done.trouble().text);
  }
  return service;
}

std::string policy_request(const Attributes& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes) {
    out += name;
    out += '=';
    for (const char c : value)
      if (c != '\n' && c != '\0') out += c;
    out += '\n';
  }
  return out += '\n';
}

PolicyAnswer::Step PolicyAnswer::bad(std::string why) {
  why_ = std::move(why);
  return Step::bad;
}

PolicyAnswer::Step PolicyAnswer::feed(std::string_view bytes,
                                      std::size_t& used) {
  for (used = 0; used < bytes.size();) {
    const char c = bytes[used++];
    if (++bytes_ > most_bytes) return bad("the answer does not end");
    if (c != '\n') {
      line_ += c;
      continue;
    }
    const Step step = take_line();
    if (step != Step::more) return step;
  }
  return Step::more;
}

// Of several actions the first counts; other attributes are not for us.
PolicyAnswer::Step PolicyAnswer::take_line() {
  if (line_.ends_with('\r')) line_.pop_back();
  const std::string line = std::exchange(line_, "");
  if (line.empty())
    return found_ ? Step::done : bad("the answer has no action");
  const std::size_t equals = line.find('=');
  if (equals == std::string::npos)
    return bad("the answer is not of the form name=value: \"" +
               printable(line.substr(0, 80)) + "\"");
  if (line.substr(0, equals) != "action" || found_) return Step::more;
  action_ = printable_utf8(trim(line.substr(equals + 1)));
  found_ = true;
  return Step::more;
}

}  // namespace postern::access
