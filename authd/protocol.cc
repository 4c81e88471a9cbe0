#include "authd/protocol.h"

#include "common/base/text.h"

namespace postern::authd {
namespace {

constexpr std::string_view version = "VERSION\t1\t2\n";

std::optional<std::uint32_t> id_from(const std::string& text) {
  const auto number = parse_number(text);
  if (!number || *number < 1 || *number > 0xffffffff) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

BadLine bad(std::string why) { return {std::move(why)}; }

// False: the value is not what the name promises.
bool take_parameter(AuthLine& line, std::string_view name, std::string value) {
  Session& session = line.session;
  const auto binding = [&](std::string& out) {
    std::optional<std::string> bytes = base64_decode(value);
    if (!bytes) return false;
    out = std::move(*bytes);
    return true;
  };
  if (name == "service") session.service = std::move(value);
  if (name == "lip") session.local_address = std::move(value);
  if (name == "lport") session.local_port = std::move(value);
  if (name == "rip") session.address = std::move(value);
  if (name == "rport") session.port = std::move(value);
  if (name == "secured") session.secured = true;
  if (name == "no-penalty") session.no_penalty = true;
  if (name == "valid-client-cert") session.valid_certificate = true;
  if (name == "cert_username") session.certificate_name = std::move(value);
  if (name == "final-resp-ok") line.takes_final_response = true;
  if (name == "tls_server_end_point") return binding(session.endpoint_binding);
  if (name == "tls_exporter") return binding(session.exporter_binding);
  if (name == "tls_unique") return binding(session.unique_binding);
  return true;
}

ClientLine parse_auth(const std::vector<std::string>& fields,
                      std::string_view whole) {
  if (fields.size() < 3) return bad("AUTH without a mechanism");
  AuthLine line;
  const auto id = id_from(fields[1]);
  if (!id) return bad("AUTH with a number that cannot be one");
  line.id = *id;
  line.mechanism = to_upper(fields[2]);
  for (std::size_t i = 3; i < fields.size(); ++i) {
    const std::string_view field = fields[i];
    const std::size_t sign = field.find('=');
    const std::string_view name = field.substr(0, sign);
    const std::string_view value =
        sign == std::string_view::npos ? "" : field.substr(sign + 1);
    if (name == "resp") {
      // The last one, whatever is in it.
      const std::size_t at = whole.find("\tresp=");
      line.response = base64_decode(whole.substr(at + 6));
      if (!line.response)
        return SpoiledLine{line.id, "an initial response not in base64"};
      break;
    }
    if (!take_parameter(line, name, unescaped(value)))
      return SpoiledLine{line.id, "AUTH parameter " + printable(name) +
                                      " not in base64"};
  }
  if (line.session.service.empty()) return bad("AUTH without a service");
  return line;
}

ClientLine parse_continue(const std::vector<std::string>& fields) {
  const auto id = fields.size() == 3 ? id_from(fields[1]) : std::nullopt;
  if (!id) return bad("CONT without number and response");
  auto response = base64_decode(fields[2]);
  if (!response) return SpoiledLine{*id, "a response not in base64"};
  return ContinueLine{*id, std::move(*response)};
}

ClientLine parse_version(const std::vector<std::string>& fields) {
  const auto major =
      fields.size() == 3 ? parse_number(fields[1]) : std::nullopt;
  const auto minor =
      fields.size() == 3 ? parse_number(fields[2]) : std::nullopt;
  if (!major || !minor) return bad("VERSION without two numbers");
  return VersionLine{*major, *minor};
}

std::string answer(std::string_view word, std::uint32_t id,
                   const Fields& fields) {
  std::string out = std::string(word) + "\t" + std::to_string(id);
  for (const auto& [name, value] : fields) {
    out += "\t" + name;
    if (value) out += "=" + escaped(*value);
  }
  return out + "\n";
}

}  // namespace

ClientLine parse(std::string_view line) {
  const std::vector<std::string> fields = split(line, '\t');
  const std::string& word = fields.front();
  if (word == "AUTH") return parse_auth(fields, line);
  if (word == "CONT") return parse_continue(fields);
  if (word == "VERSION") return parse_version(fields);
  if (word == "CANCEL") {
    const auto id = fields.size() == 2 ? id_from(fields[1]) : std::nullopt;
    if (!id) return bad("CANCEL without a number");
    return CancelLine{*id};
  }
  if (word == "CPID") {
    const auto process =
        fields.size() == 2 ? parse_number(fields[1]) : std::nullopt;
    if (!process) return bad("CPID without a number");
    return ProcessLine{*process};
  }
  return UnknownLine{};
}

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    switch (c) {
      case '\0': out += "\0010"; break;
      case '\1': out += "\0011"; break;
      case '\t': out += "\001t"; break;
      case '\r': out += "\001r"; break;
      case '\n': out += "\001n"; break;
      default: out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\1' || i + 1 == value.size()) {
      out += value[i];
      continue;
    }
    switch (value[++i]) {
      case '0': out += '\0'; break;
      case '1': out += '\1'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      default: out += value[i];
    }
  }
  return out;
}

std::string ok_line(std::uint32_t id, const Fields& fields) {
  return answer("OK", id, fields);
}
std::string fail_line(std::uint32_t id, const Fields& fields) {
  return answer("FAIL", id, fields);
}
std::string continue_line(std::uint32_t id, std::string_view challenge) {
  return "CONT\t" + std::to_string(id) + "\t" + base64_encode(challenge) +
         "\n";
}

std::string greeting(const std::vector<MechanismOffer>& mechanisms,
                     std::int64_t process, std::uint64_t connection,
                     std::string_view cookie) {
  std::string out(version);
  for (const MechanismOffer& each : mechanisms) {
    out += "MECH\t" + each.name;
    for (const std::string& flag : each.flags) out += "\t" + flag;
    out += "\n";
  }
  out += "SPID\t" + std::to_string(process) + "\n";
  out += "CUID\t" + std::to_string(connection) + "\n";
  out += "COOKIE\t" + std::string(cookie) + "\n";
  return out + "DONE\n";
}

}  // namespace postern::authd
