#include "smtpd/auth_protocol.h"

#include <fmt/format.h>

#include <vector>

#include "common/base/text.h"

namespace postern::smtpd {
namespace {

using Kind = AuthServerLine::Kind;

struct FlagWord {
  std::string_view word;
  unsigned flag;
};

constexpr FlagWord flag_words[] = {
    {"anonymous", mechanism_anonymous},
    {"plaintext", mechanism_plaintext},
    {"dictionary", mechanism_dictionary},
    {"active", mechanism_active},
    {"forward-secrecy", mechanism_forward_secrecy},
    {"mutual-auth", mechanism_mutual},
    {"private", mechanism_private},
    {"channel-binding", mechanism_channel_binding},
};

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\001' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    switch (const char c = text[++at]) {
      case '0': out += '\0'; break;
      case '1': out += '\001'; break;
      case 't': out += '\t'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      default: out += c; break;
    }
  }
  return out;
}

std::string tab_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\0': out += "\0010"; break;
      case '\001': out += "\0011"; break;
      case '\t': out += "\001t"; break;
      case '\n': out += "\001n"; break;
      case '\r': out += "\001r"; break;
      default: out += c; break;
    }
  }
  return out;
}

// RFC 4422 section 3.1, and not longer than makes sense.
bool is_mechanism_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name)
    if (!is_alnum(c) && c != '-' && c != '_') return false;
  return true;
}

AuthServerLine parse_mechanism(const std::vector<std::string>& fields) {
  AuthServerLine line;
  if (fields.size() < 2 || !is_mechanism_name(fields[1])) return line;
  line.kind = Kind::mechanism;
  line.mechanism.name = to_upper(fields[1]);
  for (std::size_t i = 2; i < fields.size(); ++i)
    for (const FlagWord& row : flag_words)
      if (fields[i] == row.word) line.mechanism.flags |= row.flag;
  return line;
}

AuthServerLine parse_version(const std::vector<std::string>& fields) {
  AuthServerLine line;
  const auto major = fields.size() < 2 ? std::nullopt : parse_number(fields[1]);
  if (!major) return line;
  line.kind = Kind::version;
  line.major = *major;
  return line;
}

// CONT, OK and FAIL: an id, then what belongs to each.
AuthServerLine parse_answer(Kind kind, const std::vector<std::string>& fields) {
  AuthServerLine line;
  const auto id = fields.size() < 2 ? std::nullopt : parse_number(fields[1]);
  if (!id || *id < 1 || *id > UINT32_MAX) return line;
  line.id = static_cast<std::uint32_t>(*id);
  if (kind == Kind::more) {
    if (fields.size() < 3) {
      line.kind = kind;
    } else if (is_base64(fields[2])) {
      line.kind = kind;
      line.text = fields[2];
    }
    return line;
  }
  line.kind = kind;
  for (std::size_t i = 2; i < fields.size(); ++i) {
    const std::string& field = fields[i];
    if (field.starts_with("user=")) line.user = unescaped(field.substr(5));
    if (field.starts_with("reason=")) line.text = unescaped(field.substr(7));
    if (field == "temp" || field == "code=temp_fail") line.temporary = true;
  }
  return line;
}

}  // namespace

AuthServerLine parse_auth_line(std::string_view line) {
  const std::vector<std::string> fields = split(line, '\t');
  const std::string& verb = fields[0];
  if (verb == "VERSION") return parse_version(fields);
  if (verb == "MECH") return parse_mechanism(fields);
  if (verb == "CONT") return parse_answer(Kind::more, fields);
  if (verb == "OK") return parse_answer(Kind::success, fields);
  if (verb == "FAIL") return parse_answer(Kind::failure, fields);
  AuthServerLine out;
  out.kind = verb == "DONE" ? Kind::done : Kind::other;
  return out;
}

std::string auth_handshake(long process) {
  return fmt::format("VERSION\t1\t2\nCPID\t{}\n", process);
}

std::string auth_request(std::uint32_t id, const AuthStart& start) {
  std::string line = fmt::format("AUTH\t{}\t{}\tservice={}\tnologin", id,
                                 to_upper(start.mechanism),
                                 tab_escaped(start.service));
  const auto put = [&line](const char* name, const std::string& value) {
    if (!value.empty() && value != "unknown")
      line += fmt::format("\t{}={}", name, tab_escaped(value));
  };
  put("lip", start.local_address);
  put("rip", start.remote_address);
  put("lport", start.local_port);
  put("rport", start.remote_port);
  if (start.secured) line += "\tsecured";
  if (start.certificate_name) {
    line += "\tvalid-client-cert";
    put("cert_username", *start.certificate_name);
  }
  put("tls_server_end_point", base64_encode(start.server_end_point));
  put("tls_exporter", base64_encode(start.exporter));
  put("tls_unique", base64_encode(start.unique));
  // Must be the last.
  if (start.initial) line += "\tresp=" + *start.initial;
  return line + "\n";
}

std::string auth_continue(std::uint32_t id, std::string_view base64) {
  return fmt::format("CONT\t{}\t{}\n", id, base64);
}

std::string auth_cancel(std::uint32_t id) {
  return fmt::format("CANCEL\t{}\n", id);
}

// Without decoding it, for it may be a password.
bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  for (int padding = 0; padding < 2; ++padding)
    if (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text)
    if (!is_alnum(c) && c != '+' && c != '/') return false;
  return true;
}

}  // namespace postern::smtpd
