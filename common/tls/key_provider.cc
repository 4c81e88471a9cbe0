#include "common/tls/key_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstring>

#include "common/base/panic.h"
#include "common/tls/fiber.h"

namespace postern::tls {
namespace {

constexpr const char* provider_name = "postern";
constexpr const char* only_here = "provider=postern";
// How a key's data get through EVP_PKEY_fromdata.
constexpr const char* handle_parameter = "postern-key";

// A key as this provider has it. `holder` null: a public key alone.
struct DistantKey {
  Key half;  // the public one, of the default provider
  std::string name;
  KeyHolder* holder = nullptr;
};

DistantKey* key_of(void* data) { return static_cast<DistantKey*>(data); }
const DistantKey* key_of(const void* data) {
  return static_cast<const DistantKey*>(data);
}

// --- key management ---

void* key_new(void*) { return new DistantKey; }
void key_free(void* data) { delete key_of(data); }

int key_has(const void* data, int selection) {
  const DistantKey* key = key_of(data);
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 &&
      key->holder == nullptr)
    return 0;
  return key->half ? 1 : 0;
}

int key_match(const void* a, const void* b, int) {
  return EVP_PKEY_eq(key_of(a)->half.get(), key_of(b)->half.get()) == 1;
}

const OSSL_PARAM* key_types(int) {
  static const OSSL_PARAM types[] = {
      OSSL_PARAM_octet_ptr(handle_parameter, nullptr, 0),
      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0),
      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
      OSSL_PARAM_END};
  return types;
}

// Ours by handle, or the public half of another provider's key, which OpenSSL
// brings here to compare it with ours.
int import_key(const char* type, void* data, const OSSL_PARAM params[]) {
  DistantKey* key = key_of(data);
  if (const OSSL_PARAM* handle =
          OSSL_PARAM_locate_const(params, handle_parameter)) {
    const void* given = nullptr;
    std::size_t size = 0;
    if (OSSL_PARAM_get_octet_ptr(handle, &given, &size) != 1) return 0;
    const auto* other = static_cast<const DistantKey*>(given);
    if (EVP_PKEY_up_ref(other->half.get()) != 1) return 0;
    key->half.reset(other->half.get());
    key->name = other->name;
    key->holder = other->holder;
    return 1;
  }
  Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, "provider=default"));
  EVP_PKEY* half = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &half, EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(params)) != 1)
    return 0;
  key->half.reset(half);
  return 1;
}

int import_rsa(void* data, int, const OSSL_PARAM params[]) {
  return import_key("RSA", data, params);
}
int import_ec(void* data, int, const OSSL_PARAM params[]) {
  return import_key("EC", data, params);
}
int import_ed25519(void* data, int, const OSSL_PARAM params[]) {
  return import_key("ED25519", data, params);
}

int key_export(void* data, int selection, OSSL_CALLBACK* receive,
               void* argument) {
  // Else the default provider would take the key for its own and fail to sign.
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) return 0;
  OSSL_PARAM* params = nullptr;
  if (EVP_PKEY_todata(key_of(data)->half.get(), EVP_PKEY_PUBLIC_KEY,
                      &params) != 1)
    return 0;
  const int done = receive(params, argument);
  OSSL_PARAM_free(params);
  return done;
}

int key_get_params(void* data, OSSL_PARAM params[]) {
  return EVP_PKEY_get_params(key_of(data)->half.get(), params);
}

const OSSL_PARAM* key_gettable(void*) {
  static const OSSL_PARAM known[] = {
      OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
      OSSL_PARAM_END};
  return known;
}

const char* signs_as_rsa(int operation) {
  return operation == OSSL_OP_SIGNATURE ? "RSA" : nullptr;
}
const char* signs_as_ec(int operation) {
  return operation == OSSL_OP_SIGNATURE ? "ECDSA" : nullptr;
}
const char* signs_as_ed25519(int operation) {
  return operation == OSSL_OP_SIGNATURE ? "ED25519" : nullptr;
}

using Entry = void (*)();
template <class F>
Entry entry(F* function) {
  return reinterpret_cast<Entry>(function);
}

struct KeyFunctions {
  KeyFunctions(int (*import)(void*, int, const OSSL_PARAM[]),
               const char* (*operation)(int))
      : table{{OSSL_FUNC_KEYMGMT_NEW, entry(key_new)},
              {OSSL_FUNC_KEYMGMT_FREE, entry(key_free)},
              {OSSL_FUNC_KEYMGMT_HAS, entry(key_has)},
              {OSSL_FUNC_KEYMGMT_MATCH, entry(key_match)},
              {OSSL_FUNC_KEYMGMT_IMPORT, entry(import)},
              {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, entry(key_types)},
              {OSSL_FUNC_KEYMGMT_EXPORT, entry(key_export)},
              {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, entry(key_types)},
              {OSSL_FUNC_KEYMGMT_GET_PARAMS, entry(key_get_params)},
              {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, entry(key_gettable)},
              {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, entry(operation)},
              {0, nullptr}} {}
  OSSL_DISPATCH table[12];
};

// --- signatures ---

class SignErrand final : public Errand {
 public:
  SignErrand(KeyHolder& holder, ipc::SignRequest request)
      : holder_(holder), request_(std::move(request)) {}
  Task<void> run() override {
    Result<ipc::SignAnswer> answer =
        co_await holder_.sign(std::move(request_));
    if (!answer)
      fault = answer.trouble().text;
    else if (answer->trouble.present)
      fault = answer->trouble.text;
    else
      signature = std::move(answer->signature);
  }
  std::string signature;
  std::string fault;

 private:
  KeyHolder& holder_;
  ipc::SignRequest request_;
};

struct Signing {
  const DistantKey* key = nullptr;
  std::string digest;
  bool pss = false;
};

void* signing_new(void*, const char*) { return new Signing; }
void signing_free(void* context) { delete static_cast<Signing*>(context); }

bool padding_of(const OSSL_PARAM& param, bool* pss) {
  int mode = 0;
  const char* name = nullptr;
  if (OSSL_PARAM_get_int(&param, &mode) == 1) {
    *pss = mode == RSA_PKCS1_PSS_PADDING;
    return *pss || mode == RSA_PKCS1_PADDING;
  }
  if (OSSL_PARAM_get_utf8_string_ptr(&param, &name) != 1) return false;
  *pss = std::strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
  return *pss || std::strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
}

// TLS signs with salts as long as the digest; the holder knows no others.
bool salt_fits(const OSSL_PARAM& param) {
  int length = 0;
  const char* word = nullptr;
  if (OSSL_PARAM_get_int(&param, &length) == 1)
    return length == RSA_PSS_SALTLEN_DIGEST;
  return OSSL_PARAM_get_utf8_string_ptr(&param, &word) == 1 &&
         (std::strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0 ||
          std::strcmp(word, "-1") == 0);
}

int signing_set(void* context, const OSSL_PARAM params[]) {
  if (params == nullptr) return 1;
  auto* signing = static_cast<Signing*>(context);
  const OSSL_PARAM* padding =
      OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (padding != nullptr && !padding_of(*padding, &signing->pss)) return 0;
  const OSSL_PARAM* salt =
      OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
  return salt == nullptr || salt_fits(*salt) ? 1 : 0;
}

const OSSL_PARAM* signing_settable(void*, void*) {
  static const OSSL_PARAM known[] = {
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, nullptr, 0),
      OSSL_PARAM_END};
  return known;
}

int signing_begin(void* context, const char* digest, void* key,
                  const OSSL_PARAM params[]) {
  auto* signing = static_cast<Signing*>(context);
  if (key != nullptr) signing->key = key_of(key);
  signing->digest = digest == nullptr ? "" : digest;
  if (signing->key == nullptr || signing->key->holder == nullptr) return 0;
  return signing_set(context, params);
}

// With `room` zero and no signature: how long it may become.
int signing_sign(void* context, unsigned char* signature, std::size_t* size,
                 std::size_t room, const unsigned char* data,
                 std::size_t data_size) {
  const auto* signing = static_cast<const Signing*>(context);
  if (signature == nullptr) {
    *size = static_cast<std::size_t>(
        EVP_PKEY_get_size(signing->key->half.get()));
    return 1;
  }
  ipc::SignRequest request;
  request.key = signing->key->name;
  request.digest = signing->digest;
  request.pss = signing->pss;
  request.data.assign(reinterpret_cast<const char*>(data), data_size);
  SignErrand errand(*signing->key->holder, std::move(request));
  const bool done = Fiber::ask(errand);
  if (!done || errand.signature.empty() || errand.signature.size() > room) {
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "no signature: %s",
                   !done ? "the handshake was given up"
                         : errand.fault.c_str());
    return 0;
  }
  std::memcpy(signature, errand.signature.data(), errand.signature.size());
  *size = errand.signature.size();
  return 1;
}

const OSSL_DISPATCH signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, entry(signing_new)},
    {OSSL_FUNC_SIGNATURE_FREECTX, entry(signing_free)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, entry(signing_begin)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, entry(signing_sign)},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, entry(signing_set)},
    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, entry(signing_settable)},
    {0, nullptr}};

// --- the provider ---

const OSSL_ALGORITHM* query(void*, int operation, int* no_store) {
  static const KeyFunctions rsa(import_rsa, signs_as_rsa);
  static const KeyFunctions ec(import_ec, signs_as_ec);
  static const KeyFunctions ed25519(import_ed25519, signs_as_ed25519);
  static const OSSL_ALGORITHM keys[] = {
      {"RSA:rsaEncryption", only_here, rsa.table, nullptr},
      {"EC:id-ecPublicKey", only_here, ec.table, nullptr},
      {"ED25519", only_here, ed25519.table, nullptr},
      {nullptr, nullptr, nullptr, nullptr}};
  static const OSSL_ALGORITHM signatures[] = {
      {"RSA:rsaEncryption", only_here, signature_functions, nullptr},
      {"ECDSA", only_here, signature_functions, nullptr},
      {"ED25519", only_here, signature_functions, nullptr},
      {nullptr, nullptr, nullptr, nullptr}};
  *no_store = 0;
  if (operation == OSSL_OP_KEYMGMT) return keys;
  if (operation == OSSL_OP_SIGNATURE) return signatures;
  return nullptr;
}

const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, entry(query)}, {0, nullptr}};

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*,
                   const OSSL_DISPATCH** out, void** context) {
  *out = provider_functions;
  static int nothing = 0;
  *context = &nothing;
  return 1;
}

const char* type_of_key(const EVP_PKEY* key) {
  for (const char* type : {"RSA", "EC", "ED25519"})
    if (EVP_PKEY_is_a(key, type) == 1) return type;
  return nullptr;
}

}  // namespace

void install_key_provider() {
  static bool installed = false;
  if (installed) return;
  installed = true;
  // Loaded by name, another provider would keep the default one from being
  // loaded by itself.
  require(OSSL_PROVIDER_load(nullptr, "default") != nullptr,
          "OpenSSL has no default provider");
  require(OSSL_PROVIDER_add_builtin(nullptr, provider_name, start_provider) ==
                  1 &&
              OSSL_PROVIDER_load(nullptr, provider_name) != nullptr,
          "OpenSSL does not take our key provider");
  // Whoever does not ask for ours by name shall not get it.
  if (EVP_default_properties_is_fips_enabled(nullptr) != 1)
    require(EVP_set_default_properties(nullptr, "?provider!=postern") == 1,
            "OpenSSL does not take a preference of providers");
}

Key distant_key(const X509* certificate, std::string name, KeyHolder* holder) {
  EVP_PKEY* half = X509_get_pubkey(const_cast<X509*>(certificate));
  DistantKey key;
  key.half.reset(half);
  key.name = std::move(name);
  key.holder = holder;
  const char* type = half == nullptr ? nullptr : type_of_key(half);
  if (type == nullptr) return nullptr;
  Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, only_here));
  void* handle = &key;
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_ptr(handle_parameter, &handle, sizeof key),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* out = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_KEYPAIR, params) != 1)
    return nullptr;
  return Key(out);
}

}  // namespace postern::tls
