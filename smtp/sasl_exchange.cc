#include "smtp/sasl_exchange.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/credentials/foreign_hash.h"
#include "smtp/sasl_scram.h"

namespace postern::smtp {
namespace {

Trouble out_of_turn() {
  return try_later("7.0", "the server goes on where the mechanism has ended");
}

// RFC 4616.
class Plain : public SaslExchange {
 public:
  explicit Plain(SaslContext context) : context_(std::move(context)) {}
  std::optional<std::string> first() override {
    const Credentials& who = context_.credentials;
    std::string out = context_.send_authzid ? who.user : std::string();
    out += '\0' + who.user;
    out += '\0' + who.password;
    return out;
  }
  Result<std::string> next(std::string_view) override { return out_of_turn(); }

 private:
  SaslContext context_;
};

// draft-murchison-sasl-login: user and password, whatever the prompts say.
class Login : public SaslExchange {
 public:
  explicit Login(SaslContext context) : context_(std::move(context)) {}
  Result<std::string> next(std::string_view) override {
    switch (step_++) {
      case 0:
        return context_.credentials.user;
      case 1:
        return context_.credentials.password;
      default:
        return out_of_turn();
    }
  }

 private:
  SaslContext context_;
  int step_ = 0;
};

// RFC 2195.
class CramMd5 : public SaslExchange {
 public:
  explicit CramMd5(SaslContext context) : context_(std::move(context)) {}
  Result<std::string> next(std::string_view challenge) override {
    if (answered_) return out_of_turn();
    if (challenge.empty()) return try_later("7.0", "the challenge is empty");
    answered_ = true;
    const std::string key =
        credentials::cram_md5_key(context_.credentials.password);
    return context_.credentials.user + " " +
           credentials::cram_md5_response(key, challenge);
  }

 private:
  SaslContext context_;
  bool answered_ = false;
};

// Google's and Microsoft's XOAUTH2, and OAUTHBEARER (RFC 7628). A challenge is
// the server's reason for refusing: what follows is the refusal itself.
class Bearer : public SaslExchange {
 public:
  Bearer(SaslContext context, bool standard)
      : context_(std::move(context)), standard_(standard) {}
  std::optional<std::string> first() override {
    const Credentials& who = context_.credentials;
    if (!standard_)
      return fmt::format("user={}\1auth=Bearer {}\1\1", who.user, who.password);
    return fmt::format("n,a={},\1host={}\1port={}\1auth=Bearer {}\1\1",
                       saslname(who.user), context_.host, context_.port,
                       who.password);
  }
  Result<std::string> next(std::string_view) override {
    if (refused_) return out_of_turn();
    refused_ = true;
    return std::string(standard_ ? "\1" : "");
  }

 private:
  SaslContext context_;
  bool standard_;
  bool refused_ = false;
};

}  // namespace

std::unique_ptr<SaslExchange> make_exchange(std::string_view name,
                                            SaslContext context) {
  if (name == "PLAIN") return std::make_unique<Plain>(std::move(context));
  if (name == "LOGIN") return std::make_unique<Login>(std::move(context));
  if (name == "CRAM-MD5") return std::make_unique<CramMd5>(std::move(context));
  if (name == "XOAUTH2")
    return std::make_unique<Bearer>(std::move(context), false);
  if (name == "OAUTHBEARER")
    return std::make_unique<Bearer>(std::move(context), true);
  return make_scram(name, std::move(context));
}

}  // namespace postern::smtp
