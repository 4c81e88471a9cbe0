#include "smtp/sasl_exchange.h"

#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/scram_keys.h"
#include "smtp/login_cache.h"
#include "smtp/passwords.h"
#include "smtp/sasl_choice.h"

namespace postern::smtp {
namespace {

using namespace std::string_literals;
using Lines = std::vector<std::string>;

SaslContext context(const std::string& user, const std::string& password) {
  SaslContext out;
  out.credentials.user = user;
  out.credentials.password = password;
  out.host = "mx.example";
  out.port = 587;
  out.random = [](std::size_t count) { return std::string(count, 'r'); };
  return out;
}

TEST_CASE("PLAIN says it all at once", "[smtp]") {
  SaslContext terms = context("ann", "pw");
  CHECK(*make_exchange("PLAIN", terms)->first() == "\0ann\0pw"s);
  terms.send_authzid = true;
  const auto steps = make_exchange("PLAIN", terms);
  CHECK(*steps->first() == "ann\0ann\0pw"s);
  CHECK_FALSE(steps->next(""));
}

TEST_CASE("LOGIN answers twice", "[smtp]") {
  const auto steps = make_exchange("LOGIN", context("ann", "pw"));
  CHECK_FALSE(steps->first());
  CHECK(*steps->next("Username:") == "ann");
  CHECK(*steps->next("Password:") == "pw");
  CHECK_FALSE(steps->next("More:"));
}

TEST_CASE("CRAM-MD5 gives the answer of RFC 2195", "[smtp]") {
  const auto steps =
      make_exchange("CRAM-MD5", context("tim", "tanstaaftanstaaf"));
  CHECK_FALSE(steps->first());
  CHECK(*steps->next("<1896.697170952@postoffice.reston.mci.net>") ==
        "tim b913a602c7eda7a495b4e6e7334d3890");
  CHECK_FALSE(steps->next("x"));
  CHECK_FALSE(make_exchange("CRAM-MD5", context("a", "b"))->next(""));
}

TEST_CASE("tokens are shown in the form of their mechanism", "[smtp]") {
  const auto old = make_exchange("XOAUTH2", context("ann@x", "tok"));
  CHECK(*old->first() == "user=ann@x\1auth=Bearer tok\1\1");
  CHECK(*old->next("{\"status\":\"401\"}") == "");
  const auto standard = make_exchange("OAUTHBEARER", context("a,n", "tok"));
  CHECK(*standard->first() ==
        "n,a=a=2Cn,\1host=mx.example\1port=587\1auth=Bearer tok\1\1");
  CHECK(*standard->next("{}") == "\1");
}

// The dialogue of RFC 7677 section 3.
TEST_CASE("SCRAM-SHA-256 speaks as in RFC 7677", "[smtp]") {
  SaslContext terms = context("user", "pencil");
  terms.random = [](std::size_t) {
    return *base64_decode("rOprNGfwEbeRWgbNEkqO");
  };
  const auto steps = make_exchange("SCRAM-SHA-256", terms);
  CHECK(*steps->first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  CHECK(*steps->next("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                     "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") ==
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK_FALSE(steps->server_proven());
  CHECK(steps->next("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")->empty());
  CHECK(steps->server_proven());
}

TEST_CASE("SCRAM prepares the name and the password", "[smtp]") {
  struct Case {
    const char *user, *password, *sent, *same_password;
  };
  const Case cases[] = {
      {"I\u00adX", "\u00aa", "IX", "a"},
      {"\u2168", "e\u0301", "IX", "\u00e9"},
      {"\uff41\uff0cb", "\uff50\u00a0w", "a=2Cb", "p w"},
      // Forbidden: the bytes as they are, which the server may know.
      {"caf\xe9", "a\x07\u00aa", "caf\xe9", "a\x07\u00aa"},
      {"u", "\u0627" "1", "u", "\u0627" "1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.sent, c.same_password);
    const std::string nonce = base64_encode(std::string(18, 'r'));
    const std::string challenge = "r=" + nonce + "abc,s=c2FsdA==,i=4096";
    const auto steps =
        make_exchange("SCRAM-SHA-256", context(c.user, c.password));
    CHECK(*steps->first() ==
          std::string("n,,n=") + c.sent + ",r=" + nonce);
    const auto same =
        make_exchange("SCRAM-SHA-256", context(c.user, c.same_password));
    same->first();
    const auto other = make_exchange("SCRAM-SHA-256", context(c.user, "x"));
    other->first();
    const Result<std::string> proof = steps->next(challenge);
    CHECK(*proof == *same->next(challenge));
    CHECK(*proof != *other->next(challenge));
  }
}

TEST_CASE("a server that is not the one with the password is found out",
          "[smtp]") {
  const std::string nonce = base64_encode(std::string(18, 'r'));
  const std::string good = "r=" + nonce + "abc,s=c2FsdA==,i=4096";
  struct Case {
    const char* what;
    std::string first, last;
  };
  const Case cases[] = {
      {"another nonce", "r=abc,s=c2FsdA==,i=4096", ""},
      {"our nonce alone", "r=" + nonce + ",s=c2FsdA==,i=4096", ""},
      {"hardly any work", "r=" + nonce + "abc,s=c2FsdA==,i=1", ""},
      {"work without end", "r=" + nonce + "abc,s=c2FsdA==,i=2000000000", ""},
      {"an extension", "m=x,r=" + nonce + "abc,s=c2FsdA==,i=4096", ""},
      {"no salt", "r=" + nonce + "abc,s=,i=4096", ""},
      {"noise", "hello", ""},
      {"a wrong signature", good, "v=AAAA"},
      {"an error", good, "e=other-error"},
      {"nothing", good, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto steps = make_exchange("SCRAM-SHA-1", context("u", "p"));
    steps->first();
    const Result<std::string> proof = steps->next(c.first);
    CHECK(proof.ok() == (c.first == good));
    if (proof) CHECK_FALSE(steps->next(c.last));
    CHECK_FALSE(steps->server_proven());
  }
}

TEST_CASE("SCRAM binds to the connection where the server can", "[smtp]") {
  SaslContext terms = context("u", "p");
  terms.tls = true;
  terms.binding = {"tls-exporter", "DATA"};
  const auto plus = make_exchange("SCRAM-SHA-256-PLUS", terms);
  CHECK(plus->first()->starts_with("p=tls-exporter,,n=u,"));
  const std::string nonce = base64_encode(std::string(18, 'r'));
  const auto proof = plus->next("r=" + nonce + "z,s=c2FsdA==,i=4096");
  CHECK(proof->starts_with("c=" + base64_encode("p=tls-exporter,,DATA") + ","));
  // Not offered: the server is told that we could have.
  CHECK(make_exchange("SCRAM-SHA-256", terms)->first()->starts_with("y,,"));
  CHECK_FALSE(make_exchange("GSSAPI", terms));
}

TEST_CASE("security options are words", "[smtp]") {
  const auto options =
      parse_security_options("noplaintext, NOACTIVE mutual_auth");
  REQUIRE(options);
  CHECK(options->no_plaintext);
  CHECK(options->no_active);
  CHECK(options->mutual);
  CHECK_FALSE(options->no_anonymous);
  const auto wrong = parse_security_options("noplain");
  CHECK(wrong.trouble().text ==
        "unknown SASL security option value \"noplain\"");
}

TEST_CASE("the strongest mechanism that is allowed is used", "[smtp]") {
  struct Case {
    const char* offered;
    const char* options;
    bool bind, token, named;
    const char* expected;
  };
  const Case cases[] = {
      {"PLAIN LOGIN CRAM-MD5", "", false, false, false, "CRAM-MD5"},
      {"PLAIN LOGIN", "noanonymous", false, false, false, "PLAIN"},
      {"LOGIN", "", false, false, false, "LOGIN"},
      {"PLAIN LOGIN", "noplaintext", false, false, false, "none"},
      {"PLAIN CRAM-MD5", "noactive", false, false, false, "none"},
      {"PLAIN SCRAM-SHA-1 SCRAM-SHA-256", "noactive", false, false, false,
       "SCRAM-SHA-256"},
      {"SCRAM-SHA-1 CRAM-MD5", "mutual_auth", false, false, false,
       "SCRAM-SHA-1"},
      {"CRAM-MD5", "mutual_auth", false, false, false, "none"},
      {"SCRAM-SHA-256", "nodictionary", false, false, false, "none"},
      {"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "", true, false, false,
       "SCRAM-SHA-256-PLUS"},
      {"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "", false, false, false,
       "SCRAM-SHA-256"},
      {"SCRAM-SHA-256-PLUS", "", false, false, false, "none"},
      // A password is not sent as a token unless the operator says it is one.
      {"PLAIN XOAUTH2 OAUTHBEARER", "", false, false, false, "PLAIN"},
      {"PLAIN XOAUTH2 OAUTHBEARER", "", false, false, true, "OAUTHBEARER"},
      {"PLAIN XOAUTH2", "", false, true, false, "XOAUTH2"},
      {"PLAIN LOGIN", "", false, true, false, "none"},
      {"GSSAPI EXTERNAL", "", false, false, false, "none"},
      {"", "", false, false, false, "none"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.offered, c.options, c.bind, c.token, c.named);
    Choice choice;
    choice.offered = split_words(c.offered);
    choice.options = *parse_security_options(c.options);
    choice.can_bind = c.bind;
    choice.token_only = c.token;
    choice.tokens_asked_for = c.named;
    CHECK(choose_mechanism(choice).value_or("none") == c.expected);
  }
}

TEST_CASE("a password entry is user and password, or a token's file",
          "[smtp]") {
  const Credentials usual = parse_credentials("ann:p:w");
  CHECK(usual.user == "ann");
  CHECK(usual.password == "p:w");
  CHECK(parse_credentials("ann").password.empty());
  const Credentials token = parse_credentials("ann@x:</run/token");
  CHECK(token.token_file == "/run/token");
  CHECK(token.password.empty());
  CHECK(parse_credentials("ann:<run").password == "<run");
}

TEST_CASE("an identity tells credentials apart and shows none", "[smtp]") {
  const auto of = [](const char* entry) {
    return identity_of(parse_credentials(entry));
  };
  CHECK(of("a:b") == of("a:b"));
  CHECK(of("a:b") != of("a:c"));
  CHECK(of("a:b") != of("c:b"));
  CHECK(of("a:b") != identity_of(std::nullopt));
  CHECK(of("ann:secret").find("secret") == std::string::npos);
}

class Tables : public Resolver {
 public:
  std::map<std::string, std::string> entries;
  Lines asked;
  bool broken = false;
  std::string local_domain;
  Task<Result<bool>> is_local(std::string domain) override {
    co_return domain == local_domain;
  }
  Task<Result<ipc::MailHostsAnswer>> hosts(ipc::MailHostsFind) override {
    co_return ipc::MailHostsAnswer();
  }
  Task<Result<ipc::DnsAnswer>> records(ipc::DnsFind) override {
    co_return ipc::DnsAnswer();
  }
  Task<Result<std::string>> file(ipc::FileFind) override {
    co_return std::string();
  }
  Task<Result<ipc::TableAnswer>> table(ipc::TableFind question) override {
    if (broken) co_return try_later("3.0", "out of order");
    ipc::TableAnswer out;
    for (const std::string& key : question.keys) {
      asked.push_back(key);
      const auto found = entries.find(key);
      if (found == entries.end() || out.found) continue;
      out.found = true;
      out.value = found->second;
    }
    co_return std::move(out);
  }
};

Task<void> keep(Task<Result<std::optional<Credentials>>> task,
                std::string* out) {
  Result<std::optional<Credentials>> found = co_await std::move(task);
  if (!found) {
    *out = found.trouble().text;
  } else if (*found) {
    *out = (*found)->user;
  } else {
    *out = "nobody";
  }
}

TEST_CASE("a password is looked up by sender, host and next hop", "[smtp]") {
  struct Case {
    const char* entries;  // keys whose user is the key itself
    bool by_sender;
    const char* expected;
    bool local = false;
  };
  const Case cases[] = {
      {"ann mx.example", true, "ann", true},
      {"ann+x ann mx.example", true, "ann+x", true},
      {"ann @here.example", true, "ann", true},
      {"ann ann@here.example", true, "ann@here.example", true},
      {"ann mx.example", true, "mx.example", false},
      {"ann mx.example", false, "mx.example", true},
      {"mx.example [r.example]:587", false, "mx.example"},
      {"[r.example]:587", false, "[r.example]#587"},
      {"ann@here.example mx.example", false, "mx.example"},
      {"ann@here.example mx.example", true, "ann@here.example"},
      {"@here.example [r.example]:587", true, "@here.example"},
      {"ann+x@here.example ann@here.example", true, "ann+x@here.example"},
      {"other", true, "nobody"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.entries, c.by_sender);
    Loop loop;
    Tables tables;
    tables.local_domain = c.local ? "here.example" : "ours.example";
    for (const std::string& key : split_words(c.entries))
      tables.entries[key] = replace_all(key, ":", "#") + ":secret";
    SaslSettings settings;
    settings.enabled = true;
    settings.password_maps = "hash:x";
    settings.sender_dependent = c.by_sender;
    settings.extension_delimiters = "+";
    std::string out;
    Nursery nursery;
    nursery.start(keep(find_credentials({"ann+x@here.example", "mx.example",
                                         "[r.example]:587"},
                                        &settings, &tables),
                       &out));
    loop.run_until([&] { return nursery.empty(); });
    CHECK(out == c.expected);
  }
}

TEST_CASE("a password table that does not answer is no missing entry",
          "[smtp]") {
  Loop loop;
  Tables tables;
  tables.broken = true;
  SaslSettings settings;
  settings.enabled = true;
  settings.password_maps = "hash:x";
  std::string out;
  Nursery nursery;
  nursery.start(
      keep(find_credentials({"", "mx", "hop"}, &settings, &tables), &out));
  loop.run_until([&] { return nursery.empty(); });
  CHECK(out == "out of order");
}

TEST_CASE("a refused login is remembered for its time", "[smtp]") {
  LoginCache cache;
  const Clock::time_point now = Clock::now();
  cache.keep("mx", "who", {"5.7.8", "535 no"}, now + Seconds(10));
  CHECK(cache.find("mx", "who", now)->words == "535 no");
  CHECK_FALSE(cache.find("mx", "who", now + Seconds(11)));
  CHECK_FALSE(cache.find("mx", "other", now));
  CHECK_FALSE(cache.find("my", "who", now));
}

}  // namespace
}  // namespace postern::smtp
