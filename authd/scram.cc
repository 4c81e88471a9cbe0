#include "authd/scram.h"

#include "common/base/text.h"

namespace postern::authd {
namespace {

constexpr std::size_t longest_nonce = 1024;

// "=2C" and "=3D" (RFC 5802 5.1, saslname).
std::optional<std::string> decoded_name(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const std::string_view code = text.substr(i + 1, 2);
    if (code != "2C" && code != "3D") return std::nullopt;
    out += code == "2C" ? ',' : '=';
    i += 2;
  }
  if (out.empty() || !valid_utf8(out) || out.find('\0') != std::string::npos)
    return std::nullopt;
  return out;
}

// The text up to the next comma; the rest without it.
std::string_view next_part(std::string_view& rest) {
  const std::size_t comma = rest.find(',');
  const std::string_view part = rest.substr(0, comma);
  rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  return part;
}

bool valid_nonce(std::string_view nonce) {
  if (nonce.empty() || nonce.size() > longest_nonce) return false;
  for (const char c : nonce)
    if (c < 0x21 || c > 0x7e) return false;
  return true;
}

}  // namespace

bool ScramServer::take_header(std::string_view flag, std::string_view name) {
  const bool possible = !bindings_.endpoint.empty() ||
                        !bindings_.exporter.empty() ||
                        !bindings_.unique.empty();
  if (flag.starts_with("p=")) {
    if (!plus_) return fail("channel binding without a -PLUS mechanism");
    binding_ = flag.substr(2);
    if (binding_data().empty())
      return fail("a channel binding that this session does not have");
  } else if (flag == "y") {
    // The client could have bound, and thinks that we could not: somebody has
    // taken our offer away.
    if (plus_ || possible) return fail("channel binding was tampered with");
  } else if (flag == "n") {
    if (plus_) return fail("a -PLUS mechanism without channel binding");
  } else {
    return fail("not a SCRAM message");
  }
  if (name.empty()) return true;
  const auto authorized =
      name.starts_with("a=") ? decoded_name(name.substr(2)) : std::nullopt;
  if (!authorized) return fail("not a SCRAM message");
  authorized_ = *authorized;
  return true;
}

bool ScramServer::first(std::string_view message) {
  std::string_view rest = message;
  const std::string_view flag = next_part(rest);
  const std::string_view name = next_part(rest);
  header_ = message.substr(0, message.size() - rest.size());
  if (!take_header(flag, name)) return false;
  bare_ = rest;
  const std::string_view user = next_part(rest);
  const std::string_view nonce = next_part(rest);
  if (user.starts_with("m=")) return fail("a SCRAM extension that is not ours");
  const auto decoded =
      user.starts_with("n=") ? decoded_name(user.substr(2)) : std::nullopt;
  if (!decoded || !nonce.starts_with("r=") || !valid_nonce(nonce.substr(2)))
    return fail("not a SCRAM message");
  user_ = *decoded;
  nonce_ = nonce.substr(2);
  return true;
}

std::string ScramServer::challenge(const credentials::ScramKeys& keys,
                                   std::string_view nonce) {
  keys_ = keys;
  nonce_ += nonce;
  server_first_ = "r=" + nonce_ + ",s=" + base64_encode(keys.salt) +
                  ",i=" + std::to_string(keys.iterations);
  return server_first_;
}

std::string ScramServer::binding_data() const {
  if (binding_ == "tls-exporter") return bindings_.exporter;
  if (binding_ == "tls-server-end-point") return bindings_.endpoint;
  if (binding_ == "tls-unique") return bindings_.unique;
  return {};
}

std::optional<std::string> ScramServer::last(std::string_view message) {
  const std::size_t at = message.rfind(",p=");
  const auto proof = at == std::string_view::npos
                         ? std::nullopt
                         : base64_decode(message.substr(at + 3));
  if (!proof) {
    fail("not a SCRAM message");
    return std::nullopt;
  }
  const std::string_view without_proof = message.substr(0, at);
  std::string_view rest = without_proof;
  const std::string_view binding = next_part(rest);
  const std::string_view nonce = next_part(rest);
  if (binding != "c=" + base64_encode(header_ + binding_data())) {
    fail("the channel binding is another");
    return std::nullopt;
  }
  if (nonce != "r=" + nonce_) {
    fail("the nonce is another");
    return std::nullopt;
  }
  std::string auth = bare_ + "," + server_first_ + ",";
  auth += without_proof;
  if (!credentials::proves(keys_, auth, *proof)) {
    wrong_proof_ = true;
    fail("wrong password");
    return std::nullopt;
  }
  return "v=" + base64_encode(credentials::server_signature(keys_, auth));
}

}  // namespace postern::authd
