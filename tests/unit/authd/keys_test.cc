// Keys and certificates in files, what is signed with them, and sessions.
#include <fcntl.h>
#include <stdlib.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "authd/key_pem.h"
#include "authd/key_sessions.h"
#include "authd/key_signing.h"
#include "authd/key_store.h"
#include "common/os/files.h"
#include "tests/support/certificates.h"

using namespace postern;
using namespace postern::authd;
using namespace std::string_literals;

namespace {

const test::MadeCertificate& rsa() {
  static const auto made = test::self_signed("RSA", "rsa.test");
  return made;
}
const test::MadeCertificate& ec() {
  static const auto made = test::self_signed("EC", "ec.test");
  return made;
}

std::string certificate_verify(const char* side) {
  return std::string(64, ' ') + "TLS 1.3, " + side + " CertificateVerify" +
         '\0' + std::string(32, 'h');
}

// Opens by name, as master would.
class Direct final : public KeyFiles::Opener {
 public:
  Task<Result<Fd>> open(std::string path) override {
    ++opened;
    co_return os::open_file(path, O_RDONLY);
  }
  int opened = 0;
};

struct Files {
  Files() {
    char name[] = "/tmp/postern-keys.XXXXXX";
    top = ::mkdtemp(name);
  }
  ~Files() { std::filesystem::remove_all(top); }
  std::string write(const std::string& name, const std::string& text) const {
    // A new file with the old name, as whoever renews certificates does it.
    const std::string path = top + "/" + name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  std::string top;
};

struct Desk {
  Loop loop;
  Direct opener;
  KeyFiles files{opener};
  ServerNames names{files, log::Log("test")};
  KeyStore store{files, names};
  Nursery nursery;

  ipc::IdentityAnswer identity(const std::string& row,
                               const KeySources& sources,
                               const std::string& known = "") {
    ipc::IdentityAnswer out;
    ipc::IdentityFind question;
    question.known = known;
    nursery.start(ask(row, sources, question, &out));
    loop.run_until([this] { return nursery.empty(); });
    return out;
  }
  Task<void> ask(std::string row, KeySources sources,
                 ipc::IdentityFind question, ipc::IdentityAnswer* out) {
    *out = co_await store.identity(std::move(row), std::move(sources),
                                   std::move(question));
  }
};

}  // namespace

TEST_CASE("a key and its certificate make a pair, others do not") {
  const auto good = chain_of_pair(rsa().certificate, "c.pem", rsa().key, "k");
  REQUIRE(good.ok());
  CHECK(good->front()->certificates.size() == 1);
  struct Case {
    std::string certificate, key, words;
  };
  const Case cases[] = {
      {rsa().certificate, ec().key,
       "the private key in k does not belong to the first certificate in c"},
      {"nothing", rsa().key, "there is no certificate in c"},
      {rsa().certificate, "", "there is no private key that can be read in k"},
      {rsa().certificate, rsa().certificate, "no private key"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.words);
    const auto bad = chain_of_pair(c.certificate, "c", c.key, "k");
    REQUIRE_FALSE(bad.ok());
    CHECK(bad.trouble().text.find(c.words) != std::string::npos);
  }
}

TEST_CASE("a chain file holds keys, each before its certificates") {
  const std::string both =
      rsa().key + rsa().certificate + ec().certificate + ec().key +
      ec().certificate;
  const auto chains = chains_of(both, "f");
  REQUIRE(chains.ok());
  REQUIRE(chains->size() == 2);
  CHECK((*chains)[0]->certificates.size() == 2);
  CHECK((*chains)[1]->certificates.size() == 1);
  for (const std::string& bad :
       {rsa().certificate + rsa().key, rsa().key, ""s,
        rsa().key + ec().certificate, rsa().key + ec().key + ec().certificate})
    CHECK_FALSE(chains_of(bad, "f").ok());
}

TEST_CASE("handshakes are told from anything else") {
  const std::string randoms(64, 'r');
  struct Case {
    std::string data;
    Side side;
    bool handshake;
  };
  const Case cases[] = {
      {certificate_verify("server"), Side::server, true},
      {certificate_verify("client"), Side::client, true},
      {certificate_verify("client"), Side::server, false},
      {certificate_verify("server"), Side::client, false},
      {certificate_verify("server") + "x", Side::server, false},
      {"any text", Side::server, false},
      {"", Side::server, false},
      {std::string(64, ' '), Side::server, false},
      {randoms + "\3\0\x1d\2pp"s, Side::server, true},
      {randoms + "\3\0\x1d\2ppp"s, Side::server, false},
      {randoms + "\3\0\x1d\2pp"s, Side::client, false},
      {randoms + "\0\1p\0\1g\0\1y"s, Side::server, true},
      {randoms + "\0\1p\0\1g\0\1yz"s, Side::server, false},
      {randoms + "\0\1p\0\1g\0\0"s, Side::server, false},
      {"\1\0\0\2hh\2\0\0\1s"s, Side::client, true},
      {"\1\0\0\2hh\2\0\0\1s"s, Side::server, false},
      {"\1\0\0\2h"s, Side::client, false},
      {"\2\0\0\1s"s, Side::client, false},
  };
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    CAPTURE(i);
    CHECK(is_handshake(cases[i].data, cases[i].side) == cases[i].handshake);
  }
}

TEST_CASE("signatures are good, and a key signs by its own schemes alone") {
  const auto chain = chain_of_pair(rsa().certificate, "c", rsa().key, "k");
  REQUIRE(chain.ok());
  EVP_PKEY* key = chain->front()->key.get();
  ipc::SignRequest request;
  request.digest = "SHA256";
  request.pss = true;
  request.data = certificate_verify("server");
  const Result<std::string> made = sign(key, request);
  REQUIRE(made.ok());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* scheme = nullptr;
  EVP_DigestVerifyInit(context, &scheme, EVP_sha256(), nullptr, key);
  EVP_PKEY_CTX_set_rsa_padding(scheme, RSA_PKCS1_PSS_PADDING);
  CHECK(EVP_DigestVerify(
            context, reinterpret_cast<const unsigned char*>(made->data()),
            made->size(),
            reinterpret_cast<const unsigned char*>(request.data.data()),
            request.data.size()) == 1);
  EVP_MD_CTX_free(context);
  request.digest = "NO-SUCH-DIGEST";
  CHECK_FALSE(sign(key, request).ok());
  const auto other = chain_of_pair(ec().certificate, "c", ec().key, "k");
  request.digest = "SHA256";
  CHECK_FALSE(sign(other->front()->key.get(), request).ok());
}

TEST_CASE("ticket keys seal for one lifetime and open for another") {
  TicketKeys keys;
  const Clock::time_point start = Clock::now();
  const auto first = keys.now(Seconds(3600), start);
  REQUIRE(first.keys.size() == 1);
  CHECK(first.keys[0].name.size() == 16);
  CHECK(first.lasting_seconds == 3600);
  CHECK(keys.now(Seconds(3600), start + Seconds(3599)).keys[0].name ==
        first.keys[0].name);
  const auto second = keys.now(Seconds(3600), start + Seconds(3600));
  REQUIRE(second.keys.size() == 2);
  CHECK(second.keys[0].name != first.keys[0].name);
  CHECK(second.keys[1].name == first.keys[0].name);
  const auto third = keys.now(Seconds(3600), start + Seconds(7200));
  REQUIRE(third.keys.size() == 2);
  CHECK(third.keys[1].name == second.keys[0].name);
}

TEST_CASE("a session is found by its row, until it is old") {
  SessionStore store;
  const Clock::time_point start = Clock::now();
  store.keep("a", {"id", "session", 60}, start);
  CHECK(store.find("a", "id", start + Seconds(59)) == "session");
  CHECK(store.find("b", "id", start).empty());
  CHECK(store.find("a", "other", start).empty());
  CHECK(store.find("a", "id", start + Seconds(60)).empty());
  store.keep("a", {std::string(10000, 'i'), "session", 60}, start);
  CHECK(store.find("a", std::string(10000, 'i'), start).empty());
  for (std::size_t i = 0; i < SessionStore::most + 100; ++i)
    store.keep("a", {std::to_string(i), "s", 60}, start);
  CHECK(store.size() == SessionStore::most);
  CHECK(store.find("a", "0", start).empty());
  CHECK(store.find("a", std::to_string(SessionStore::most), start) == "s");
}

TEST_CASE("a row gets the public half, and only its own keys sign for it") {
  Files files;
  Desk desk;
  KeySources sources;
  sources.pairs = {{files.write("c.pem", rsa().certificate),
                    files.write("c.key", rsa().key)}};
  const ipc::IdentityAnswer answer = desk.identity("smtpd smtp", sources);
  REQUIRE(answer.chains.size() == 1);
  for (const std::string& each : answer.chains[0].certificates)
    CHECK(each.find("PRIVATE") == std::string::npos);
  const std::string& name = answer.chains[0].key;
  CHECK(desk.store.key("smtpd smtp", sources, name) != nullptr);
  CHECK(desk.store.key("smtpd other", sources, name) == nullptr);
  CHECK(desk.store.key("smtpd smtp", sources, "x") == nullptr);
  const ipc::IdentityAnswer again =
      desk.identity("smtpd smtp", sources, answer.version);
  CHECK(again.unchanged);
  CHECK(again.chains.empty());
  // Not asked again within a second.
  CHECK(desk.opener.opened == 2);
}

TEST_CASE("a file that is not there is named") {
  Desk desk;
  KeySources sources;
  sources.pairs = {{"/no/such.pem", "/no/such.key"}};
  const ipc::IdentityAnswer answer = desk.identity("r", sources);
  CHECK(answer.trouble.present);
  CHECK(answer.trouble.text.find("/no/such.pem") != std::string::npos);
  CHECK(desk.identity("r", {}).trouble.present);
}
