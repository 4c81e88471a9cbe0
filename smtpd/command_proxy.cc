// XCLIENT: a trusted proxy speaks for another client, and access control
// believes it. XFORWARD: a content filter tells who the first client was, for
// the log alone. (XCLIENT_README and XFORWARD_README of Postfix.)
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/path.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

constexpr std::string_view unavailable = "[UNAVAILABLE]";
constexpr std::string_view temporarily = "[TEMPUNAVAIL]";
constexpr std::size_t longest_value = 255;

bool is_unavailable(std::string_view value) {
  return equal_nocase(value, unavailable) || equal_nocase(value, temporarily);
}

bool is_port(std::string_view value) {
  const std::optional<std::int64_t> number = parse_number(value);
  return number && *number >= 0 && *number <= 65535 && value.size() <= 5;
}

// "192.0.2.1", "IPv6:2001:db8::1", or a bare IPv6 address.
std::optional<std::string> bare_address(std::string_view value) {
  if (starts_with_nocase(value, "IPV6:")) value.remove_prefix(5);
  if (!mail::valid_hostaddr(value)) return std::nullopt;
  return std::string(value);
}

struct Attribute {
  std::string name, value;
};

// "NAME=value" with the value decoded; else the reply.
Result<Attribute> parse_attribute(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos)
    return give_up("5.4", "501 5.5.4 Error: attribute=value expected");
  const std::string raw = word.substr(equals + 1);
  if (raw.size() > longest_value)
    return give_up("5.4", "501 5.5.4 Error: attribute value too long");
  const std::optional<std::string> value =
      raw.empty() ? std::optional<std::string>("") : mail::xtext_decode(raw);
  if (!value)
    return give_up("5.4",
                   "501 5.5.4 Bad attribute value syntax: " + printable(raw));
  return Attribute{to_upper(printable(word.substr(0, equals))),
                   printable(*value)};
}

std::string bad_value(const std::string& name, const std::string& value) {
  return fmt::format("501 5.5.4 Bad {} syntax: {}", name, value);
}

}  // namespace

// One attribute of XCLIENT; the reply when it is refused.
std::optional<std::string> Session::apply_xclient(const std::string& name,
                                                  const std::string& value,
                                                  Client* client,
                                                  std::unique_ptr<Login>* login) {
  const bool absent = is_unavailable(value);
  const char code = equal_nocase(value, temporarily) ? '4' : '5';
  if (name == "NAME" || name == "REVERSE_NAME") {
    if (!absent && !mail::valid_utf8_hostname(value))
      return bad_value(name, value);
    const bool verified = name == "NAME";
    (verified ? client->name : client->reverse_name) =
        absent ? "unknown" : value;
    (verified ? client->name_code : client->reverse_code) =
        absent ? code : '2';
  } else if (name == "ADDR" || name == "DESTADDR") {
    const std::optional<std::string> address =
        absent ? std::string("unknown") : bare_address(value);
    if (!address) return bad_value(name, value);
    (name == "ADDR" ? client->address : client->server_address) = *address;
  } else if (name == "PORT" || name == "DESTPORT") {
    if (!absent && !is_port(value)) return bad_value(name, value);
    (name == "PORT" ? client->port : client->server_port) =
        absent ? "unknown" : value;
  } else if (name == "HELO") {
    if (absent) facts_.helo.reset();
    else facts_.helo = harmless_name(value);
  } else if (name == "PROTO") {
    if (!equal_nocase(value, "SMTP") && !equal_nocase(value, "ESMTP"))
      return bad_value(name, value);
    facts_.protocol = to_upper(value);
  } else if (name == "LOGIN") {
    // Believed like the rest, whether AUTH is enabled here or not.
    login->reset();
    if (!absent && !value.empty())
      *login = std::make_unique<Login>(Login{"XCLIENT", value});
  } else {
    return "501 5.5.4 Bad XCLIENT attribute name: " + name;
  }
  return std::nullopt;
}

Task<bool> Session::xclient(CommandLine line) {
  if (in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: MAIL transaction in progress");
  }
  if (line.bare()) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.5.4 Syntax: XCLIENT attribute=value...");
  }
  if (!may_xclient_) {
    co_return co_await refuse(Fault::policy,
                              "550 5.7.0 Error: insufficient authorization");
  }
  Client client = facts_.client;
  std::unique_ptr<Login> login;  // not given: nobody's any more
  const std::optional<std::string> helo_before = facts_.helo;
  bool helo_given = false, protocol_given = false;
  for (const std::string& word : line.words) {
    Result<Attribute> attribute = parse_attribute(word);
    std::optional<std::string> fault;
    if (attribute)
      fault = apply_xclient(attribute->name, attribute->value, &client, &login);
    else
      fault = attribute.trouble().text;
    if (fault) {
      facts_.helo = helo_before;
      co_return co_await refuse(Fault::protocol, std::move(*fault));
    }
    helo_given = helo_given || attribute->name == "HELO";
    protocol_given = protocol_given || attribute->name == "PROTO";
  }
  // anvil counts the connection for whom it was made.
  co_await uncount();
  facts_.client = std::move(client);
  facts_.login = std::move(login);
  if (!helo_given) facts_.helo.reset();
  if (!protocol_given) facts_.protocol = "SMTP";
  reset_transaction();
  restart_ = true;
  co_return false;
}

std::optional<std::string> Session::apply_xforward(const std::string& name,
                                                   const std::string& value,
                                                   Forwarded* forwarded) {
  const auto bad = [&] {
    return fmt::format("501 5.5.4 Bad {} value: {}", name, value);
  };
  const bool absent = is_unavailable(value);
  const std::string harmless = absent ? "" : harmless_name(value);
  if (name == "NAME") {
    forwarded->name = harmless;
  } else if (name == "ADDR") {
    const std::optional<std::string> address =
        absent ? std::string() : bare_address(value);
    if (!address) return bad();
    forwarded->address = *address;
  } else if (name == "PORT") {
    if (!absent && !is_port(value)) return bad();
    forwarded->port = harmless;
  } else if (name == "PROTO") {
    if (value.size() > 64) return bad();
    forwarded->protocol = harmless;
  } else if (name == "HELO") {
    forwarded->helo = harmless;
  } else if (name == "IDENT") {
    forwarded->ident = harmless;
  } else if (name == "SOURCE") {
    const bool local = equal_nocase(value, "LOCAL");
    if (!absent && !local && !equal_nocase(value, "REMOTE")) return bad();
    forwarded_remote_ = local ? 0 : 1;
  } else {
    return "501 5.5.4 Bad XFORWARD attribute name: " + name;
  }
  return std::nullopt;
}

Task<bool> Session::xforward(CommandLine line) {
  if (in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: MAIL transaction in progress");
  }
  if (line.bare()) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.5.4 Syntax: XFORWARD attribute=value...");
  }
  if (!may_xforward_) {
    co_return co_await refuse(Fault::policy,
                              "550 5.7.0 Error: insufficient authorization");
  }
  Forwarded forwarded;
  if (forwarded_) forwarded = *forwarded_;
  for (const std::string& word : line.words) {
    Result<Attribute> attribute = parse_attribute(word);
    std::optional<std::string> fault;
    if (attribute)
      fault = apply_xforward(attribute->name, attribute->value, &forwarded);
    else
      fault = attribute.trouble().text;
    if (fault) {
      co_return co_await refuse(Fault::protocol, std::move(*fault));
    }
  }
  forwarded_ = std::make_unique<Forwarded>(std::move(forwarded));
  co_await reply("250 2.0.0 Ok");
  co_return true;
}

}  // namespace postern::smtpd
