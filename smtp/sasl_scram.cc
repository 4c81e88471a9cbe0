#include "smtp/sasl_scram.h"

#include <fmt/format.h>

#include <optional>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/saslprep.h"
#include "common/credentials/scram_keys.h"

namespace postern::smtp {
namespace {

using credentials::Hash;

constexpr std::size_t nonce_bytes = 18;
constexpr std::size_t longest_message = 4096;
// The work is done between two other connections' events: some 0.2 s.
constexpr std::int64_t most_iterations = 200'000;

Trouble wrong(std::string what) { return try_later("7.0", std::move(what)); }

// "r=…,s=…,i=…": the values of these attributes, which come in this order and
// first. Extensions that must be understood ("m=") are not.
struct ServerFirst {
  std::string nonce;
  std::string salt;
  std::int64_t iterations = 0;
};
Result<ServerFirst> parse_server_first(std::string_view message) {
  const std::vector<std::string> parts = split(message, ',');
  if (parts.size() < 3 || !parts[0].starts_with("r=") ||
      !parts[1].starts_with("s=") || !parts[2].starts_with("i="))
    return wrong("the server's challenge is not of SCRAM");
  ServerFirst out;
  out.nonce = parts[0].substr(2);
  const auto salt = base64_decode(std::string_view(parts[1]).substr(2));
  const auto iterations = parse_number(std::string_view(parts[2]).substr(2));
  if (!salt || salt->empty() || !iterations)
    return wrong("the server's challenge is not of SCRAM");
  out.salt = *salt;
  out.iterations = *iterations;
  return out;
}

class Scram : public SaslExchange {
 public:
  Scram(Hash hash, bool plus, SaslContext context)
      : hash_(hash), context_(std::move(context)) {
    nonce_ = base64_encode(context_.random(nonce_bytes));
    // "y": we could bind, but the server does not offer it. Who has cut the
    // offer out is found out by this.
    const bool could = context_.tls && !context_.binding.type.empty();
    header_ = plus    ? fmt::format("p={},,", context_.binding.type)
              : could ? "y,,"
                      : "n,,";
    if (plus) binding_ = context_.binding.data;
  }

  std::optional<std::string> first() override {
    const std::string user =
        credentials::prepared(context_.credentials.user);
    bare_ = fmt::format("n={},r={}", saslname(user), nonce_);
    return header_ + bare_;
  }

  Result<std::string> next(std::string_view challenge) override {
    if (challenge.size() > longest_message)
      return wrong("the server's challenge is too long");
    switch (step_++) {
      case 0:
        return prove(challenge);
      case 1:
        return check_server(challenge);
      default:
        return wrong("the server goes on where the mechanism has ended");
    }
  }

  bool server_proven() const override { return proven_; }

 private:
  Result<std::string> prove(std::string_view challenge) {
    const Result<ServerFirst> server = parse_server_first(challenge);
    if (!server) return server.trouble();
    if (!server->nonce.starts_with(nonce_) || server->nonce == nonce_)
      return wrong("the server's nonce does not continue ours");
    if (server->iterations < credentials::least_scram_iterations ||
        server->iterations > most_iterations)
      return wrong(fmt::format("the server wants {} iterations, where {} to {} "
                               "are sound",
                               server->iterations,
                               credentials::least_scram_iterations,
                               most_iterations));
    const std::string without_proof =
        fmt::format("c={},r={}", base64_encode(header_ + binding_),
                    server->nonce);
    const std::string message =
        fmt::format("{},{},{}", bare_, challenge, without_proof);
    std::string password =
        credentials::prepared(context_.credentials.password);
    std::string salted =
        credentials::pbkdf2(hash_, password, server->salt,
                            static_cast<int>(server->iterations));
    credentials::wipe(password);
    const std::string key = credentials::hmac(hash_, salted, "Client Key");
    std::string proof =
        credentials::hmac(hash_, credentials::digest(hash_, key), message);
    for (std::size_t i = 0; i < proof.size(); ++i)
      proof[i] = static_cast<char>(proof[i] ^ key[i]);
    expected_ = credentials::hmac(
        hash_, credentials::hmac(hash_, salted, "Server Key"), message);
    credentials::wipe(salted);
    return fmt::format("{},p={}", without_proof, base64_encode(proof));
  }

  Result<std::string> check_server(std::string_view last) {
    if (last.starts_with("e="))
      return wrong("the server says: " + printable(last.substr(2)));
    std::optional<std::string> signature;
    if (last.starts_with("v="))
      signature = base64_decode(last.substr(2, last.find(',') - 2));
    if (!signature || !credentials::same(*signature, expected_))
      return wrong("the server does not know the password");
    proven_ = true;
    return std::string();
  }

  Hash hash_;
  SaslContext context_;
  std::string nonce_;
  std::string header_;
  std::string binding_;
  std::string bare_;
  std::string expected_;
  int step_ = 0;
  bool proven_ = false;
};

}  // namespace

std::string saslname(std::string_view name) {
  return replace_all(replace_all(std::string(name), "=", "=3D"), ",", "=2C");
}

std::unique_ptr<SaslExchange> make_scram(std::string_view name,
                                         SaslContext context) {
  const bool plus = name.ends_with("-PLUS");
  if (plus) name.remove_suffix(5);
  if (name == "SCRAM-SHA-256")
    return std::make_unique<Scram>(Hash::sha256, plus, std::move(context));
  if (name == "SCRAM-SHA-1")
    return std::make_unique<Scram>(Hash::sha1, plus, std::move(context));
  return nullptr;
}

}  // namespace postern::smtp
