#include "common/config/endpoints.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::config {
namespace {

// How a parameter names endpoints.
enum class Names {
  sasl_path,     // the whole value, with smtpd_sasl_type = dovecot
  restrictions,  // check_policy_service ENDPOINT
  classes,       // names of further parameters that hold restrictions
  milters,       // a list, with options in braces
  proxy,         // the whole value; without type it is host:port
};

struct Source {
  std::string_view program;
  std::string_view parameter;
  Names names;
};

// The parameters that grant an endpoint, by who may then be connected to it.
constexpr Source sources[] = {
    {"smtpd", "smtpd_sasl_path", Names::sasl_path},
    {"smtpd", "smtpd_client_restrictions", Names::restrictions},
    {"smtpd", "smtpd_helo_restrictions", Names::restrictions},
    {"smtpd", "smtpd_sender_restrictions", Names::restrictions},
    {"smtpd", "smtpd_relay_restrictions", Names::restrictions},
    {"smtpd", "smtpd_recipient_restrictions", Names::restrictions},
    {"smtpd", "smtpd_data_restrictions", Names::restrictions},
    {"smtpd", "smtpd_end_of_data_restrictions", Names::restrictions},
    {"smtpd", "smtpd_etrn_restrictions", Names::restrictions},
    {"smtpd", "smtpd_restriction_classes", Names::classes},
    {"smtpd", "smtpd_milters", Names::milters},
    {"smtpd", "smtpd_proxy_filter", Names::proxy},
    {"cleanup", "smtpd_milters", Names::milters},
    {"cleanup", "non_smtpd_milters", Names::milters},
};

// "{ inet:host:port, timeout=10s }" gives "inet:host:port".
std::string without_options(const std::string& word) {
  if (!word.starts_with('{') || !word.ends_with('}')) return word;
  const auto inner =
      split_words(std::string_view(word).substr(1, word.size() - 2));
  return inner.empty() ? "" : inner.front();
}

std::vector<std::string> policy_services(std::string_view restrictions) {
  std::vector<std::string> found;
  const auto words = split_braced(restrictions);
  if (!words) return found;
  for (std::size_t at = 0; at + 1 < words->size(); ++at)
    if (equal_nocase((*words)[at], "check_policy_service"))
      found.push_back(without_options((*words)[at + 1]));
  return found;
}

std::vector<std::string> list_of(std::string_view value) {
  std::vector<std::string> found;
  for (const std::string& word :
       split_braced(value).value_or(std::vector<std::string>{}))
    found.push_back(without_options(word));
  return found;
}

std::vector<std::string> named_by(const Source& source, const Config& row) {
  const std::string value = row.text(source.parameter);
  std::vector<std::string> found;
  switch (source.names) {
    case Names::sasl_path:
      if (row.boolean("smtpd_sasl_auth_enable") &&
          row.text("smtpd_sasl_type") == "dovecot")
        found.push_back(value);
      break;
    case Names::restrictions:
      return policy_services(value);
    case Names::classes:
      for (const std::string& name : split_words(value))
        for (std::string& each : policy_services(row.expand(row.raw(name))))
          found.push_back(std::move(each));
      break;
    case Names::milters:
      return list_of(value);
    case Names::proxy:
      found.push_back(value);
      break;
  }
  return found;
}

Bare bare_word(Names names) {
  switch (names) {
    case Names::sasl_path: return Bare::path;
    case Names::proxy: return Bare::host;
    default: return Bare::nothing;
  }
}

std::optional<Endpoint> host_endpoint(std::string_view text) {
  Endpoint out;
  out.kind = Endpoint::Kind::host;
  const std::size_t at = text.find('@');
  const std::size_t colon = text.rfind(':');
  if (at != std::string_view::npos) {
    out.port = text.substr(0, at);
    out.host = text.substr(at + 1);
  } else if (colon != std::string_view::npos) {
    out.host = text.substr(0, colon);
    out.port = text.substr(colon + 1);
  } else {
    out.port = text;
  }
  if (out.host.starts_with('[') && out.host.ends_with(']'))
    out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty()) out.host = "localhost";
  for (const char c : out.host + out.port)
    if (!is_print(c) || c == ' ' || c == '[' || c == ']') return std::nullopt;
  if (out.port.empty()) return std::nullopt;
  return out;
}

std::optional<Endpoint> path_endpoint(std::string_view text,
                                      const std::string& base) {
  if (text.empty() || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  Endpoint out;
  out.path = text.starts_with('/') ? std::string(text)
                                   : base + "/" + std::string(text);
  return out;
}

}  // namespace

std::string Endpoint::text() const {
  if (kind == Kind::path) return "unix:" + path;
  return "inet:[" + host + "]:" + port;
}

std::optional<Endpoint> parse_endpoint(std::string_view text,
                                       const std::string& base, Bare bare) {
  text = trim(text);
  if (text.starts_with("unix:")) return path_endpoint(text.substr(5), base);
  if (text.starts_with("local:")) return path_endpoint(text.substr(6), base);
  if (text.starts_with("inet:")) return host_endpoint(text.substr(5));
  switch (bare) {
    case Bare::path: return path_endpoint(text, base);
    case Bare::host: return text.empty() ? std::nullopt : host_endpoint(text);
    case Bare::nothing: break;
  }
  return std::nullopt;
}

std::vector<Endpoint> granted_endpoints(const Config& row,
                                        std::string_view program) {
  const std::string base = row.get<"queue_directory">();
  std::vector<Endpoint> granted;
  for (const Source& source : sources) {
    if (source.program != program) continue;
    for (const std::string& word : named_by(source, row)) {
      std::optional<Endpoint> one =
          parse_endpoint(word, base, bare_word(source.names));
      if (one && !is_granted(granted, *one)) granted.push_back(std::move(*one));
    }
  }
  return granted;
}

bool is_granted(const std::vector<Endpoint>& granted, const Endpoint& asked) {
  return std::find(granted.begin(), granted.end(), asked) != granted.end();
}

}  // namespace postern::config
