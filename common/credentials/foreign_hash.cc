#include "common/credentials/foreign_hash.h"

#include <crypt.h>

#include <memory>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/password.h"
#include "common/credentials/scram_keys.h"

namespace postern::credentials {
namespace {

// How the data of a scheme are to be read and checked.
enum class Form { plain, crypt, digest, salted, argon, cram, scram };
enum class Encoding { none, base64, hex };

struct Scheme {
  std::string_view name;
  Form form;
  Encoding encoding;  // unless the text says ".hex" or ".b64"
  Hash hash = Hash::md5;
};

constexpr Scheme schemes[] = {
    {"PLAIN", Form::plain, Encoding::none},
    {"CRYPT", Form::crypt, Encoding::none},
    {"SSHA", Form::salted, Encoding::base64, Hash::sha1},
    {"SSHA256", Form::salted, Encoding::base64, Hash::sha256},
    {"SSHA512", Form::salted, Encoding::base64, Hash::sha512},
    {"SMD5", Form::salted, Encoding::base64, Hash::md5},
    {"SHA", Form::digest, Encoding::base64, Hash::sha1},
    {"SHA256", Form::digest, Encoding::base64, Hash::sha256},
    {"SHA512", Form::digest, Encoding::base64, Hash::sha512},
    {"LDAP-MD5", Form::digest, Encoding::base64, Hash::md5},
    {"PLAIN-MD5", Form::digest, Encoding::hex, Hash::md5},
    {"ARGON2", Form::argon, Encoding::none},
    {"CRAM-MD5", Form::cram, Encoding::hex},
    {"SCRAM-SHA-1", Form::scram, Encoding::none, Hash::sha1},
    {"SCRAM-SHA-256", Form::scram, Encoding::none, Hash::sha256},
};

struct Alias {
  std::string_view name;
  std::string_view scheme;
};
// All that crypt(3) does tells itself apart by its first characters.
constexpr Alias aliases[] = {
    {"CLEARTEXT", "PLAIN"},        {"CLEAR", "PLAIN"},
    {"SHA512-CRYPT", "CRYPT"},     {"SHA256-CRYPT", "CRYPT"},
    {"MD5-CRYPT", "CRYPT"},        {"BLF-CRYPT", "CRYPT"},
    {"DES-CRYPT", "CRYPT"},        {"BCRYPT", "CRYPT"},
    {"YESCRYPT", "CRYPT"},         {"MD5", "CRYPT"},
    {"SHA1", "SHA"},               {"ARGON2I", "ARGON2"},
    {"ARGON2ID", "ARGON2"},        {"HMAC-MD5", "CRAM-MD5"},
};

const Scheme* find_scheme(std::string_view name) {
  for (const Alias& each : aliases)
    if (each.name == name) name = each.scheme;
  for (const Scheme& each : schemes)
    if (each.name == name) return &each;
  return nullptr;
}

bool valid_crypt(const std::string& text) {
  // Traditional DES hashes have no prefix, and too few bits.
  return text.size() >= 13 && ::crypt_checksalt(text.c_str()) !=
                                  CRYPT_SALT_INVALID;
}

bool valid(const Scheme& scheme, const std::string& data) {
  switch (scheme.form) {
    case Form::plain: return !data.empty();
    case Form::crypt: return valid_crypt(data);
    case Form::digest: return data.size() == size_of(scheme.hash);
    case Form::salted: return data.size() > size_of(scheme.hash);
    case Form::argon: return data.starts_with("$argon2i");
    case Form::cram: return data.size() == 32;
    case Form::scram: return scram_keys_from(scheme.hash, data).has_value();
  }
  return false;
}

std::optional<std::string> decoded(std::string_view data, Encoding encoding) {
  switch (encoding) {
    case Encoding::none: return std::string(data);
    case Encoding::base64: return base64_decode(data);
    case Encoding::hex: return from_hex(data);
  }
  return std::nullopt;
}

bool crypt_matches(const std::string& hash, std::string_view password) {
  const std::string phrase(password);
  const auto state = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(phrase.c_str(), hash.c_str(), state.get());
  return made != nullptr && *made != '*' && same(made, hash);
}

bool salted_matches(Hash hash, std::string_view data,
                    std::string_view password) {
  const std::size_t size = size_of(hash);
  std::string salted(password);
  salted += data.substr(size);
  return same(digest(hash, salted), data.substr(0, size));
}

}  // namespace

std::optional<ForeignHash> foreign_hash_from(std::string_view text,
                                             std::string_view default_scheme,
                                             std::string* why) {
  std::string name = to_upper(default_scheme);
  if (text.starts_with('{')) {
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos) {
      *why = "a \"{\" without \"}\"";
      return std::nullopt;
    }
    name = to_upper(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
  }
  std::optional<Encoding> encoding;
  if (const std::size_t dot = name.rfind('.'); dot != std::string::npos) {
    const std::string suffix = name.substr(dot + 1);
    if (suffix == "HEX") encoding = Encoding::hex;
    if (suffix == "B64" || suffix == "BASE64") encoding = Encoding::base64;
    if (encoding) name.resize(dot);
  }
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) {
    *why = "the scheme " + printable(name) + " is not known";
    return std::nullopt;
  }
  auto data = decoded(text, encoding.value_or(scheme->encoding));
  // Digests are also written in hexadecimal digits without saying so.
  if (!encoding && scheme->form == Form::digest &&
      text.size() == 2 * size_of(scheme->hash))
    data = from_hex(text);
  if (!data || !valid(*scheme, *data)) {
    *why = "what follows is not of scheme " + std::string(scheme->name);
    return std::nullopt;
  }
  return ForeignHash{std::string(scheme->name), std::move(*data)};
}

std::string to_text(const ForeignHash& hash) {
  const Scheme* scheme = find_scheme(hash.scheme);
  const std::string begin = "{" + hash.scheme;
  if (scheme != nullptr && scheme->encoding == Encoding::hex)
    return begin + "}" + to_hex(hash.data);
  if (scheme != nullptr && scheme->encoding == Encoding::base64)
    return begin + ".B64}" + base64_encode(hash.data);
  return begin + "}" + hash.data;
}

bool matches(const ForeignHash& hash, std::string_view password) {
  const Scheme* scheme = find_scheme(hash.scheme);
  if (scheme == nullptr) return false;
  switch (scheme->form) {
    case Form::plain: return same(hash.data, password);
    case Form::crypt: return crypt_matches(hash.data, password);
    case Form::digest:
      return same(digest(scheme->hash, password), hash.data);
    case Form::salted:
      return salted_matches(scheme->hash, hash.data, password);
    case Form::argon: return argon2id_matches(hash.data, password);
    case Form::cram: return same(cram_md5_key(password), hash.data);
    case Form::scram: {
      const auto keys = scram_keys_from(scheme->hash, hash.data);
      return keys && matches(*keys, password);
    }
  }
  return false;
}

}  // namespace postern::credentials
