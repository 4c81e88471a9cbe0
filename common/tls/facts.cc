#include "common/tls/facts.h"

#include <fmt/format.h>

namespace postern::tls {
namespace {

std::string signature_text(const char* side, const SignatureFacts& s) {
  if (s.name.empty()) return "";
  std::string text = fmt::format(" {}-signature {}", side,
                                 sized(s.name, s.curve, s.bits));
  if (!s.digest.empty()) text += fmt::format(" {}-digest {}", side, s.digest);
  return text;
}

std::string exchange_text(const Facts& f) {
  if (f.exchange.empty()) return "";
  return " key-exchange " +
         sized(f.exchange, f.exchange_curve, f.exchange_bits);
}

std::string cipher_text(const Facts& f) {
  return fmt::format("{} with cipher {} ({}/{} bits)", f.protocol, f.cipher,
                     f.used_bits, f.algorithm_bits);
}

const char* trust_word(const Facts& f) {
  if (f.matched) return "Verified";
  if (!f.peer.present) return "Anonymous";
  return f.peer.trusted ? "Trusted" : "Untrusted";
}

}  // namespace

std::string sized(const std::string& name, const std::string& curve,
                  int bits) {
  if (!curve.empty()) return fmt::format("{} ({})", name, curve);
  if (bits > 0) return fmt::format("{} ({} bits)", name, bits);
  return name;
}

std::string summary(const Facts& facts) {
  return cipher_text(facts) + exchange_text(facts) +
         signature_text("server", facts.server_signature) +
         signature_text("client", facts.client_signature);
}

std::string connection_line(const Facts& facts, const std::string& direction,
                            const std::string& peer) {
  // Resumed or not: the word "reused" is Postfix's for a connection that
  // another process has kept.
  std::string line = fmt::format("{} TLS connection established {} {}",
                                 trust_word(facts), direction, peer);
  if (!facts.server_name.empty()) line += " to " + facts.server_name;
  return line + ": " + summary(facts);
}

}  // namespace postern::tls
