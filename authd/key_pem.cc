#include "authd/key_pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fmt/format.h>

namespace postern::authd {
namespace {

struct FreeInput {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Input = std::unique_ptr<BIO, FreeInput>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;

Input input_of(std::string_view text) {
  return Input(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown reason" : text;
}

// A key with a password: nobody is there to type it.
int no_password(char*, int, int, void*) { return -1; }

std::string der_of(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return "";
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &at);
  return der;
}

std::string name_of_key(X509* certificate) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_pubkey_digest(certificate, EVP_sha256(), bytes, &size) != 1)
    return "";
  std::string name;
  for (unsigned int i = 0; i < size; ++i)
    name += fmt::format("{:02x}", bytes[i]);
  return name;
}

PrivateKey read_key(std::string_view pem) {
  const Input input = input_of(pem);
  return PrivateKey(
      PEM_read_bio_PrivateKey(input.get(), nullptr, no_password, nullptr));
}

std::vector<Certificate> read_certificates(std::string_view pem) {
  std::vector<Certificate> out;
  const Input input = input_of(pem);
  for (;;) {
    Certificate one(
        PEM_read_bio_X509(input.get(), nullptr, no_password, nullptr));
    if (!one) break;
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::shared_ptr<const KeyedChain>> put_together(
    PrivateKey key, const std::vector<Certificate>& certificates,
    const std::string& key_where, const std::string& certificate_where) {
  ERR_clear_error();
  X509* own = certificates.front().get();
  if (X509_check_private_key(own, key.get()) != 1) {
    ERR_clear_error();
    return give_up("3.5", "the private key in " + key_where +
                              " does not belong to the first certificate in " +
                              certificate_where);
  }
  auto chain = std::make_shared<KeyedChain>();
  chain->server_algorithm = EVP_PKEY_is_a(key.get(), "RSA") == 1 ||
                            EVP_PKEY_is_a(key.get(), "EC") == 1 ||
                            EVP_PKEY_is_a(key.get(), "ED25519") == 1;
  if (!chain->server_algorithm)
    return give_up("3.5", "the key in " + key_where +
                              " is not of a kind that is of use for TLS here "
                              "(RSA, ECDSA, Ed25519)");
  chain->key = std::move(key);
  chain->key_name = name_of_key(own);
  for (const Certificate& each : certificates)
    chain->certificates.push_back(der_of(each.get()));
  return std::shared_ptr<const KeyedChain>(std::move(chain));
}

// The next block of a PEM text.
struct Block {
  bool is_key = false;
  bool is_certificate = false;
  std::string_view text;
};

class Blocks {
 public:
  explicit Blocks(std::string_view text) : rest_(text) {}
  bool next(Block* block) {
    const std::size_t begin = rest_.find("-----BEGIN ");
    if (begin == std::string_view::npos) return false;
    rest_.remove_prefix(begin);
    const std::string_view label = rest_.substr(11, rest_.find('\n') - 11);
    const std::size_t end = rest_.find("-----END ");
    const std::size_t line =
        end == std::string_view::npos ? end : rest_.find('\n', end);
    const std::size_t size =
        line == std::string_view::npos ? rest_.size() : line + 1;
    block->text = rest_.substr(0, size);
    block->is_key = label.find("PRIVATE KEY-----") != std::string_view::npos;
    block->is_certificate =
        label.find("CERTIFICATE-----") != std::string_view::npos &&
        label.find("REQUEST") == std::string_view::npos;
    rest_.remove_prefix(size);
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace

Result<KeyedChains> chain_of_pair(std::string_view certificate_pem,
                                  const std::string& certificate_file,
                                  std::string_view key_pem,
                                  const std::string& key_file) {
  ERR_clear_error();
  const std::vector<Certificate> certificates =
      read_certificates(certificate_pem);
  if (certificates.empty())
    return give_up("3.5", "there is no certificate in " + certificate_file +
                              ": " + reason());
  ERR_clear_error();
  PrivateKey key = read_key(key_pem);
  if (!key)
    return give_up("3.5", "there is no private key that can be read in " +
                              key_file + ": " + reason());
  auto chain = put_together(std::move(key), certificates, key_file,
                            certificate_file);
  if (!chain) return chain.trouble();
  return KeyedChains{std::move(*chain)};
}

Result<KeyedChains> chains_of(std::string_view pem, const std::string& where) {
  KeyedChains out;
  PrivateKey key;
  std::vector<Certificate> certificates;
  const auto finish = [&]() -> Status {
    if (!key) return {};
    if (certificates.empty())
      return give_up("3.5", "there is a private key without a certificate "
                            "behind it in " + where);
    auto chain =
        put_together(std::move(key), certificates, where, where);
    if (!chain) return chain.trouble();
    out.push_back(std::move(*chain));
    certificates.clear();
    return {};
  };
  Blocks blocks(pem);
  for (Block block; blocks.next(&block);) {
    ERR_clear_error();
    if (block.is_key) {
      if (Status done = finish(); !done) return done.trouble();
      key = read_key(block.text);
      if (!key)
        return give_up("3.5", "a private key in " + where +
                                  " cannot be read: " + reason());
    } else if (block.is_certificate) {
      if (!key)
        return give_up("3.5", "a certificate in " + where +
                                  " stands before its private key; the key "
                                  "comes first");
      std::vector<Certificate> one = read_certificates(block.text);
      if (one.empty())
        return give_up("3.5", "a certificate in " + where +
                                  " cannot be read: " + reason());
      certificates.push_back(std::move(one.front()));
    }
  }
  if (Status done = finish(); !done) return done.trouble();
  if (out.empty())
    return give_up("3.5", "there is no private key in " + where);
  return out;
}

}  // namespace postern::authd
