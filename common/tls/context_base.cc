// What contexts of servers and clients have in common.
#include <openssl/err.h>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/tls/certificate.h"
#include "common/tls/connection.h"
#include "common/tls/key_provider.h"

namespace postern::tls {
namespace {

Trouble refused(const std::string& what) {
  return give_up("3.5", what + ": " + first_error("OpenSSL refuses it"));
}

// Names that this OpenSSL does not know are left out, as long as one is left.
std::string known_groups(SSL_CTX* context, const std::string& list) {
  std::vector<std::string> known;
  for (const std::string& name : split_words(list, ":"))
    if (SSL_CTX_set1_groups_list(context, name.c_str()) == 1)
      known.push_back(name);
  ERR_clear_error();
  return join(known, ":");
}

int connection_index() {
  static const int index =
      SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

Result<Identity> identity_of(const ipc::ChainWire& wire, KeyHolder* holder) {
  Identity out;
  for (const std::string& der : wire.certificates) {
    X509Certificate one = parse_certificate(der);
    if (!one) return refused("a certificate that authd sent");
    if (!out.certificate) out.certificate = std::move(one);
    else out.chain.push_back(std::move(one));
  }
  if (!out.certificate) return refused("a chain without certificates");
  out.key = distant_key(out.certificate.get(), wire.key, holder);
  if (!out.key) return refused("the public key of a certificate");
  return out;
}

STACK_OF(X509) * stack_of(const Identity& identity) {
  STACK_OF(X509)* stack = sk_X509_new_null();
  for (const X509Certificate& each : identity.chain)
    sk_X509_push(stack, each.get());
  return stack;
}

}  // namespace

Connection* connection_of(const SSL* ssl) {
  return static_cast<Connection*>(SSL_get_ex_data(ssl, connection_index()));
}

void attach(SSL* ssl, Connection* connection) {
  require(SSL_set_ex_data(ssl, connection_index(), connection) == 1,
          "no memory for a TLS connection");
}

std::uint64_t excluded_versions(const Protocols& protocols) {
  std::uint64_t options = 0;
  const auto add = [&](Version version, std::uint64_t option) {
    if ((protocols.excluded & version) != 0) options |= option;
  };
  add(ssl3, SSL_OP_NO_SSLv3);
  add(tls1, SSL_OP_NO_TLSv1);
  add(tls1_1, SSL_OP_NO_TLSv1_1);
  add(tls1_2, SSL_OP_NO_TLSv1_2);
  add(tls1_3, SSL_OP_NO_TLSv1_3);
  return options;
}

Result<SslCtx> new_context(const SSL_METHOD* method,
                           const CommonSettings& settings, X509_STORE* trust) {
  SslCtx made(SSL_CTX_new(method));
  if (!made) return refused("a TLS context");
  SSL_CTX* context = made.get();
  // What is strong enough is for the cipher lists to say, as in Postfix.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_options(context, SSL_OP_ALL);
  SSL_CTX_clear_options(context, settings.options_off);
  // A peer that starts a second handshake costs us much and gains nothing;
  // one that closes without a good-bye has closed.
  SSL_CTX_set_options(context, settings.options_on | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An idle connection keeps no buffer.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS |
                                SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify_depth(context, settings.verify_depth);
  SSL_CTX_set1_cert_store(context, trust);
  const std::string groups = known_groups(context, settings.curves);
  if (!groups.empty() &&
      SSL_CTX_set1_groups_list(context, groups.c_str()) != 1)
    return refused("the curves " + groups);
  return made;
}

Status use_identities(SSL_CTX* context, const Identities& identities) {
  for (const Identity& each : identities) {
    STACK_OF(X509)* chain = stack_of(each);
    const int done = SSL_CTX_use_cert_and_key(
        context, each.certificate.get(), each.key.get(), chain, 1);
    sk_X509_free(chain);
    if (done != 1) return refused("a certificate");
  }
  return {};
}

Status use_identities(SSL* ssl, const Identities& identities) {
  SSL_certs_clear(ssl);
  for (const Identity& each : identities) {
    STACK_OF(X509)* chain = stack_of(each);
    const int done = SSL_use_cert_and_key(ssl, each.certificate.get(),
                                          each.key.get(), chain, 1);
    sk_X509_free(chain);
    if (done != 1) return refused("a certificate");
  }
  return {};
}

Result<std::shared_ptr<Identities>> identities_of(
    const ipc::IdentityAnswer& answer, KeyHolder* holder) {
  auto out = std::make_shared<Identities>();
  for (const ipc::ChainWire& wire : answer.chains) {
    Result<Identity> one = identity_of(wire, holder);
    if (!one) return one.trouble();
    out->push_back(std::move(*one));
  }
  return out;
}

}  // namespace postern::tls
