#include "authd/key_signing.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <memory>

namespace postern::authd {
namespace {

using namespace std::string_view_literals;

std::size_t big_endian(std::string_view bytes, std::size_t at,
                       std::size_t size) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// Takes a length of `prefix` bytes and as many bytes as it says.
bool skip_vector(std::string_view& rest, std::size_t prefix) {
  if (rest.size() < prefix) return false;
  const std::size_t size = big_endian(rest, 0, prefix);
  rest.remove_prefix(prefix);
  if (rest.size() < size || size == 0) return false;
  rest.remove_prefix(size);
  return true;
}

bool is_certificate_verify(std::string_view data, Side side) {
  const std::string_view context =
      side == Side::server ? "TLS 1.3, server CertificateVerify\0"sv
                           : "TLS 1.3, client CertificateVerify\0"sv;
  constexpr std::size_t padding = 64;
  if (data.size() < padding + context.size() ||
      data.substr(0, padding).find_first_not_of(' ') !=
          std::string_view::npos ||
      data.substr(padding, context.size()) != context)
    return false;
  const std::size_t hash = data.size() - padding - context.size();
  return hash == 32 || hash == 48 || hash == 64;
}

bool is_server_key_exchange(std::string_view data) {
  constexpr std::size_t randoms = 64;
  if (data.size() <= randoms + 4) return false;
  const std::string_view params = data.substr(randoms);
  // Elliptic: named curve, its number, a point.
  std::string_view rest = params.substr(3);
  if (params[0] == 3 && skip_vector(rest, 1) && rest.empty()) return true;
  // Finite field: prime, generator, public value.
  rest = params;
  return skip_vector(rest, 2) && skip_vector(rest, 2) && skip_vector(rest, 2) &&
         rest.empty();
}

// Messages in a row, the first of them ClientHello.
bool is_transcript(std::string_view data) {
  constexpr char client_hello = 1;
  if (data.size() < 4 || data[0] != client_hello) return false;
  while (!data.empty()) {
    if (data.size() < 4) return false;
    const std::size_t size = big_endian(data, 1, 3);
    data.remove_prefix(4);
    if (data.size() < size) return false;
    data.remove_prefix(size);
  }
  return true;
}

Trouble refused(const char* what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return give_up("7.0", std::string(what) + ": " +
                            (text == nullptr ? "unknown reason" : text));
}

}  // namespace

bool is_handshake(std::string_view data, Side side) {
  if (is_certificate_verify(data, side)) return true;
  return side == Side::server ? is_server_key_exchange(data)
                              : is_transcript(data);
}

Result<std::string> sign(EVP_PKEY* key, const ipc::SignRequest& request) {
  ERR_clear_error();
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_PKEY_CTX* scheme = nullptr;
  const char* digest =
      request.digest.empty() ? nullptr : request.digest.c_str();
  if (EVP_DigestSignInit_ex(context.get(), &scheme, digest, nullptr, nullptr,
                            key, nullptr) != 1)
    return refused("the key cannot sign so");
  if (request.pss &&
      (EVP_PKEY_CTX_set_rsa_padding(scheme, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(scheme, RSA_PSS_SALTLEN_DIGEST) != 1))
    return refused("the key cannot sign by PSS");
  const auto* data =
      reinterpret_cast<const unsigned char*>(request.data.data());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = signature.size();
  if (EVP_DigestSign(context.get(),
                     reinterpret_cast<unsigned char*>(signature.data()), &size,
                     data, request.data.size()) != 1)
    return refused("no signature");
  signature.resize(size);
  return signature;
}

}  // namespace postern::authd
