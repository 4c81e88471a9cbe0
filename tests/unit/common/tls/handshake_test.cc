// Handshakes over a socket pair, with keys that sign elsewhere and later.
#include <signal.h>
#include <sys/socket.h>

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <set>

#include "authd/key_pem.h"
#include "authd/key_sessions.h"
#include "authd/key_signing.h"
#include "authd/key_store.h"
#include "common/tls/client_sessions.h"
#include "common/tls/handshake.h"
#include "tests/support/certificates.h"

using namespace postern;
using namespace postern::tls;

namespace {

constexpr Millis limit = Seconds(20);

// authd's part, in this process, never at once.
class Holder final : public KeyHolder {
 public:
  void add(const std::string& name, const test::MadeCertificate& made) {
    auto chain = authd::chain_of_pair(made.certificate, "cert", made.key, "key");
    REQUIRE(chain.ok());
    chains[name].push_back(chain->front());
  }
  Task<Result<ipc::IdentityAnswer>> identity(
      ipc::IdentityFind question) override {
    co_await pause(Millis(1));
    const authd::KeyedChains& own = chains[question.server_name];
    ipc::IdentityAnswer answer = authd::public_half(
        own, authd::version_of(own), question.known);
    answer.found = !own.empty();
    co_return answer;
  }
  Task<Result<ipc::SignAnswer>> sign(ipc::SignRequest question) override {
    ++signatures;
    co_await pause(delay);
    ipc::SignAnswer answer;
    if (!authd::is_handshake(question.data, side)) ++strange;
    for (const auto& [name, own] : chains)
      for (const auto& each : own)
        if (each->key_name == question.key) {
          Result<std::string> made = authd::sign(each->key.get(), question);
          if (made) answer.signature = *made;
        }
    if (refuse) answer.signature.clear();
    co_return answer;
  }
  Task<Result<ipc::TicketKeysAnswer>> ticket_keys(
      ipc::TicketKeysFind) override {
    co_return tickets.now(Seconds(3600), Clock::now());
  }
  Task<Result<ipc::SessionAnswer>> session(
      ipc::SessionFind question) override {
    co_await pause(Millis(1));
    co_return ipc::SessionAnswer{
        sessions.find("row", question.id, Clock::now())};
  }
  void keep(ipc::SessionKeep session) override {
    sessions.keep("row", std::move(session), Clock::now());
  }

  std::map<std::string, authd::KeyedChains> chains;
  authd::TicketKeys tickets;
  authd::SessionStore sessions;
  authd::Side side = authd::Side::server;
  Millis delay{1};
  int signatures = 0, strange = 0;
  bool refuse = false;
};

config::Config configured(const std::string& lines) {
  std::vector<config::Setting> settings;
  int number = 0;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    const std::string line = lines.substr(at, end - at);
    const std::size_t equals = line.find('=');
    settings.push_back({line.substr(0, equals), line.substr(equals + 1),
                        {"main.conf", ++number}});
    at = end == std::string::npos ? lines.size() : end + 1;
  }
  return config::Config::from_settings("/nowhere", std::move(settings));
}

// A server and a client on the two ends of a socket pair.
class Pair {
 public:
  explicit Pair(const std::string& lines) : log_("test") {
    ::signal(SIGPIPE, SIG_IGN);  // as every service does
    start_library();
    log::set_recorder([this](std::string_view, log::Severity,
                             std::string_view text) {
      lines_ += std::string(text) + "\n";
    });
    const config::Config config =
        configured("compatibility_level=3.6\nsmtpd_tls_security_level=may\nsmtp_tls_cert_file=/c\n" +
                   lines);
    auto server = ServerContext::make(ServerSettings::read(config), &holder,
                                      log_);
    REQUIRE(server.ok());
    server_ = *server;
    auto client = ClientContext::make(ClientSettings::read(config, "smtp"),
                                      &client_holder, log_);
    REQUIRE(client.ok());
    client_ = *client;
    client_holder.side = authd::Side::client;
  }
  ~Pair() { log::set_recorder(nullptr); }

  void shake(Wish wish = {}) {
    open();
    nursery_->start(serve());
    nursery_->start(ask(std::move(wish)));
    loop_.run_until([this] { return nursery_->empty(); });
  }
  void open() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    accepted.reset();
    connected.reset();
    nursery_.reset();
    nursery_ = std::make_unique<Nursery>();
    near = std::make_unique<Stream>(Fd(ends[0]));
    far = std::make_unique<Stream>(Fd(ends[1]));
  }
  Task<void> serve() {
    Status ready = co_await server_->prepare();
    if (!ready) co_return;
    Result<Facts> made =
        co_await accept(near.get(), server_, "a[192.0.2.1]", limit);
    if (made) accepted = *made;
    else near->shut();
  }
  Task<void> ask(Wish wish) {
    Status ready = co_await client_->prepare();
    if (!ready) co_return;
    Result<Facts> made =
        co_await connect(far.get(), client_, std::move(wish), limit);
    if (made) connected = *made;
    else far->shut();
  }
  // All of `bytes` from one end to the other.
  Task<void> send(Stream* stream, std::string bytes) {
    stream->put(bytes);
    co_await stream->flush(limit);
  }
  Task<void> receive(Stream* stream, std::size_t size, std::string* into) {
    while (into->size() < size) {
      co_await stream->fill(limit);
      *into += stream->buffered();
      stream->consume(stream->buffered().size());
    }
  }
  void run() {
    loop_.run_until([this] { return nursery_->empty(); });
  }
  Nursery& nursery() { return *nursery_; }
  Loop& loop() { return loop_; }
  ClientContext& client() { return *client_; }
  const std::string& log_text() const { return lines_; }

  Holder holder, client_holder;
  std::optional<Facts> accepted, connected;

 private:
  std::string lines_;
  Loop loop_;
  log::Log log_;
  std::shared_ptr<ServerContext> server_;
  std::shared_ptr<ClientContext> client_;

 public:
  std::unique_ptr<Stream> near, far;

 private:
  std::unique_ptr<Nursery> nursery_;
};

}  // namespace

TEST_CASE("every kind of key signs in every version, elsewhere") {
  struct Case {
    const char *kind, *protocols, *version;
  };
  const Case cases[] = {
      {"RSA", "TLSv1.3", "TLSv1.3"},   {"EC", "TLSv1.3", "TLSv1.3"},
      {"ED25519", "TLSv1.3", "TLSv1.3"}, {"RSA", "TLSv1.2", "TLSv1.2"},
      {"EC", "TLSv1.2", "TLSv1.2"},    {"ED25519", "TLSv1.2", "TLSv1.2"},
      {"RSA", "TLSv1.1", "TLSv1.1"},   {"RSA", "TLSv1", "TLSv1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.kind, c.protocols);
    Pair pair(std::string("smtpd_tls_protocols=") + c.protocols +
              "\nsmtpd_tls_loglevel=1");
    pair.holder.add("", test::self_signed(c.kind, "mx.example.com"));
    pair.shake();
    CAPTURE(pair.log_text());
    REQUIRE(pair.accepted);
    REQUIRE(pair.connected);
    CHECK(pair.accepted->protocol == c.version);
    CHECK(pair.holder.signatures == 1);
    CHECK(pair.holder.strange == 0);
    CHECK(pair.connected->peer.subject == "mx.example.com");
    CHECK(pair.connected->peer.fault == "self-signed certificate");
    CHECK(pair.log_text().find("Anonymous TLS connection established from "
                               "a[192.0.2.1]: " + std::string(c.version)) !=
          std::string::npos);
    CHECK(pair.accepted->exporter == pair.connected->exporter);
    CHECK(pair.accepted->server_end_point == pair.connected->server_end_point);
    CHECK(pair.accepted->unique == pair.connected->unique);
    CHECK(pair.accepted->unique.empty() != pair.accepted->exporter.empty());
  }
}

TEST_CASE("finite-field exchange is signed as well") {
  Pair pair("smtpd_tls_protocols=TLSv1.2\nsmtpd_tls_eecdh_grade=none");
  pair.holder.add("", test::self_signed("RSA", "mx.example.com"));
  pair.shake();
  CAPTURE(pair.log_text());
  REQUIRE(pair.accepted);
  CHECK(pair.accepted->cipher.starts_with("DHE-RSA-"));
  CHECK(pair.holder.strange == 0);
}

TEST_CASE("ECDSA and RSA certificates stand side by side") {
  Pair pair("");
  pair.holder.add("", test::self_signed("RSA", "rsa.example.com"));
  pair.holder.add("", test::self_signed("EC", "ec.example.com"));
  Wish rsa;
  rsa.protocols.most = 0x0303;
  rsa.ciphers = "aRSA";
  pair.shake(rsa);
  REQUIRE(pair.connected);
  CHECK(pair.connected->peer.subject == "rsa.example.com");
  Wish ec = rsa;
  ec.ciphers = "aECDSA";
  pair.shake(ec);
  REQUIRE(pair.connected);
  CHECK(pair.connected->peer.subject == "ec.example.com");
}

TEST_CASE("much data goes both ways through TLS") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  pair.shake();
  REQUIRE(pair.accepted);
  std::string there(3 << 20, 'x'), back(2 << 20, 'y'), got_there, got_back;
  there[1234567] = 'z';
  pair.nursery().start(pair.send(pair.far.get(), there));
  pair.nursery().start(pair.send(pair.near.get(), back));
  pair.nursery().start(
      pair.receive(pair.near.get(), there.size(), &got_there));
  pair.nursery().start(pair.receive(pair.far.get(), back.size(), &got_back));
  pair.run();
  CHECK(got_there == there);
  CHECK(got_back == back);
}

TEST_CASE("a name that is asked for has its own certificate") {
  Pair pair("tls_server_sni_maps=hash:/sni");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  pair.holder.add("alt.example.com",
                  test::self_signed("RSA", "alt.example.com"));
  Wish wish;
  wish.server_name = "ALT.example.com";
  pair.shake(wish);
  REQUIRE(pair.connected);
  CHECK(pair.connected->peer.subject == "alt.example.com");
  CHECK(pair.accepted->server_name == "alt.example.com");
  wish.server_name = "other.example.com";
  pair.shake(wish);
  REQUIRE(pair.connected);
  CHECK(pair.connected->peer.subject == "mx.example.com");
  CHECK(pair.log_text().find("TLS SNI other.example.com from a[192.0.2.1] not "
                             "matched, using default chain") !=
        std::string::npos);
}

TEST_CASE("a client's certificate is known by its fingerprints") {
  for (const char* version : {"TLSv1.3", "TLSv1.2"}) {
    CAPTURE(version);
    Pair pair(std::string("smtpd_tls_ask_ccert=yes\nsmtpd_tls_protocols=") +
              version);
    pair.holder.add("", test::self_signed("EC", "mx.example.com"));
    pair.client_holder.add("", test::self_signed("RSA", "client.example.com"));
    pair.shake();
    CAPTURE(pair.log_text());
    REQUIRE(pair.accepted);
    CHECK(pair.accepted->peer.present);
    CHECK_FALSE(pair.accepted->peer.trusted);
    CHECK(pair.accepted->peer.subject == "client.example.com");
    CHECK(pair.accepted->peer.fingerprint.size() == 95);
    CHECK(pair.accepted->peer.key_fingerprint.size() == 95);
    CHECK(pair.client_holder.signatures == 1);
    CHECK(pair.client_holder.strange == 0);
  }
}

TEST_CASE("the key's fingerprint can be that of Postfix 2.9.0") {
  const test::MadeCertificate client = test::self_signed("EC", "client");
  const auto print = [&client](const std::string& legacy) {
    Pair pair("smtpd_tls_ask_ccert=yes\nsmtpd_tls_fingerprint_digest=sha256\n"
              "tls_legacy_public_key_fingerprints=" + legacy);
    pair.holder.add("", test::self_signed("EC", "mx.example.com"));
    pair.client_holder.add("", client);
    pair.shake();
    REQUIRE(pair.accepted);
    return pair.accepted->peer.key_fingerprint;
  };
  // The bits of the key itself, and with their algorithm before them.
  BIO* source = BIO_new_mem_buf(client.certificate.data(),
                                static_cast<int>(client.certificate.size()));
  const X509Certificate parsed(
      PEM_read_bio_X509(source, nullptr, nullptr, nullptr));
  BIO_free(source);
  const ASN1_BIT_STRING* bits = X509_get0_pubkey_bitstr(parsed.get());
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(ASN1_STRING_get0_data(bits),
             static_cast<std::size_t>(ASN1_STRING_length(bits)), digest,
             nullptr, EVP_sha256(), nullptr);
  std::string expected;
  for (int i = 0; i < 32; ++i)
    expected += fmt::format("{}{:02X}", i == 0 ? "" : ":", digest[i]);
  CHECK(print("yes") == expected);
  CHECK(print("no") != expected);
}

TEST_CASE("a server is matched by fingerprint, TLSA or nothing") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  Wish wish;
  wish.names = {"mx.example.com"};
  pair.shake(wish);
  REQUIRE(pair.connected);
  CHECK_FALSE(pair.connected->matched);  // not trusted
  Wish by_print;
  by_print.fingerprints = {pair.connected->peer.key_fingerprint};
  pair.shake(by_print);
  REQUIRE(pair.connected);
  CHECK(pair.connected->matched);
  std::string bytes;
  for (std::size_t i = 0; i < 95; i += 3)
    bytes += static_cast<char>(std::stoi(
        pair.connected->peer.key_fingerprint.substr(i, 2), nullptr, 16));
  Wish dane;
  dane.tlsa = {{3, 1, 1, bytes}};
  dane.names = {"mx.example.com"};
  pair.shake(dane);
  REQUIRE(pair.connected);
  CHECK(pair.connected->matched_by == "TLSA 3 1 1");
  dane.tlsa[0].data[0] = static_cast<char>(dane.tlsa[0].data[0] ^ 1);
  pair.shake(dane);
  REQUIRE(pair.connected);
  CHECK_FALSE(pair.connected->matched);
}

TEST_CASE("a trusted server must have one of the names") {
  struct Case {
    const char* subject;
    std::vector<std::string> names;
    bool several, matches;
    const char* line;  // in the log where it does not
  };
  const Case cases[] = {
      {"mx.example.com", {"mx.EXAMPLE.com"}, true, true, ""},
      {"mx.example.com", {"other.test", ".example.com"}, true, true, ""},
      {"mx.example.com", {"example.com"}, true, false, "num=62:"},
      {"example.com", {".example.com"}, true, false, "num=62:"},
      {"badexample.com", {".example.com"}, true, false, "num=62:"},
      {"*.example.com", {"mx.example.com"}, false, true, ""},
      {"*.example.com", {"a.mx.example.com"}, true, true, ""},
      {"*.example.com", {"a.mx.example.com"}, false, false, "num=62:"},
      {"*.example.com", {"example.com"}, true, false, "num=62:"},
      {"m*.example.com", {"mx.example.com"}, true, false, "num=62:"},
      {"mx.example.com", {"192.0.2.1"}, true, false, "num=64:"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.subject, c.names, c.several);
    Pair pair("");
    const test::MadeCertificate made = test::self_signed("EC", c.subject);
    pair.holder.add("", made);
    Wish wish;
    wish.peer = "mx[192.0.2.1]:25";
    wish.trust_anchors = made.certificate;
    wish.names = c.names;
    wish.wildcard_for_several_labels = c.several;
    wish.log_untrusted = true;
    pair.shake(wish);
    REQUIRE(pair.connected);
    CHECK(pair.connected->matched == c.matches);
    CHECK(pair.connected->peer.trusted == c.matches);
    if (!c.matches)
      CHECK(pair.log_text().find("server certificate verification failed for "
                                 "mx[192.0.2.1]:25: " +
                                 std::string(c.line)) != std::string::npos);
  }
}

TEST_CASE("another's certificate is no trust anchor") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  Wish wish;
  wish.trust_anchors = test::self_signed("EC", "mx.example.com").certificate;
  wish.names = {"mx.example.com"};
  pair.shake(wish);
  REQUIRE(pair.connected);
  CHECK_FALSE(pair.connected->matched);
  CHECK_FALSE(pair.connected->peer.trusted);
}

TEST_CASE("sessions are resumed by ticket, and by id where there is none") {
  struct Case {
    const char* settings;
    const char* version;
  };
  const Case cases[] = {
      {"smtpd_tls_protocols=TLSv1.3", "TLSv1.3"},
      {"smtpd_tls_protocols=TLSv1.2", "TLSv1.2"},
      {"smtpd_tls_protocols=TLSv1.2\ntls_ssl_options=NO_TICKET\n"
       "smtpd_tls_session_cache_database=btree:/x", "TLSv1.2"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.settings);
    Pair pair(c.settings);
    pair.holder.add("", test::self_signed("EC", "mx.example.com"));
    std::string session;
    Wish wish;
    wish.keep = [&session](std::string bytes) { session = std::move(bytes); };
    pair.shake(wish);
    REQUIRE(pair.connected);
    // Tickets of TLS 1.3 come with the first data.
    std::string got;
    pair.nursery().start(pair.send(pair.near.get(), "220 x\r\n"));
    pair.nursery().start(pair.receive(pair.far.get(), 7, &got));
    pair.run();
    REQUIRE_FALSE(session.empty());
    Wish again;
    again.session = session;
    pair.shake(again);
    REQUIRE(pair.accepted);
    CHECK(pair.accepted->resumed);
    CHECK(pair.holder.signatures == 1);
  }
}

namespace {

// A connection and the first line over it, which brings the tickets of TLS 1.3.
void greet(Pair& pair, const Wish& wish) {
  pair.shake(wish);
  REQUIRE(pair.connected);
  std::string got;
  pair.nursery().start(pair.send(pair.near.get(), "220 x\r\n"));
  pair.nursery().start(pair.receive(pair.far.get(), 7, &got));
  pair.run();
}

}  // namespace

TEST_CASE("a session is kept of a server that is who it should be") {
  for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
    CAPTURE(version);
    Pair pair("smtp_tls_loglevel=2\nsmtpd_tls_protocols=" +
              std::string(version));
    const test::MadeCertificate made = test::self_signed("EC", "mx.example.com");
    pair.holder.add("", made);
    std::vector<std::string> kept;
    Wish wish;
    wish.trust_anchors = made.certificate;
    wish.names = {"mx.other.example"};
    wish.keep = [&kept](std::string bytes) { kept.push_back(std::move(bytes)); };
    greet(pair, wish);
    CHECK_FALSE(pair.connected->matched);
    CHECK(kept.empty());

    wish.names = {"mx.example.com"};
    greet(pair, wish);
    CHECK(pair.connected->matched);
    REQUIRE(kept.size() == 1);

    // Resumed, it is still who it was.
    wish.session = kept.back();
    greet(pair, wish);
    CHECK(pair.connected->resumed);
    CHECK(pair.connected->matched);
    CHECK(pair.connected->peer.trusted);
    CHECK(pair.accepted->unique == pair.connected->unique);
    CHECK(pair.log_text().find(": Reusing old session") != std::string::npos);
  }
}

TEST_CASE("a session goes with the certificate that it began with") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  std::string kept;
  Wish wish;
  wish.keep = [&kept](std::string bytes) { kept = std::move(bytes); };
  greet(pair, wish);
  const std::time_t now = std::time(nullptr);
  CHECK(session_of(kept, now));
  CHECK_FALSE(session_of(kept, now + 2 * 86400));
  CHECK_FALSE(session_of("", now));
  CHECK_FALSE(session_of(kept.substr(0, kept.size() / 2), now));
}

TEST_CASE("sessions of other authorities and certificates are others") {
  const std::string path = "/tmp/postern-authority-" +
                           std::to_string(::getpid()) + ".pem";
  const std::string setting = "smtp_tls_CAfile=" + path;
  const std::string one = test::self_signed("EC", "one").certificate;
  const std::string two = test::self_signed("EC", "two").certificate;
  const auto basis = [&path](const std::string& authority,
                             const std::string& settings, bool certificate) {
    std::ofstream(path) << authority;
    Pair pair(settings);
    ::unlink(path.c_str());
    if (certificate) {
      pair.holder.add("", test::self_signed("EC", "mx.example.com"));
      pair.client_holder.add("", test::self_signed("EC", "client"));
      pair.shake();
    }
    return pair.client().session_basis();
  };
  const std::string first = basis(one, setting, false);
  CHECK(basis(one, setting, false) == first);
  const std::set<std::string> different = {
      first, basis(two, setting, false), basis(one + two, setting, false),
      basis(one, "", false), basis(one, setting, true),
      basis(one, setting + "\nsmtp_tls_scert_verifydepth=3", false)};
  CHECK(different.size() == 6);
}

TEST_CASE("a handshake without a signature fails with a word in the log") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  pair.holder.refuse = true;
  pair.shake();
  CHECK_FALSE(pair.accepted);
  CHECK(pair.log_text().find("SSL_accept error from a[192.0.2.1]: -1") !=
        std::string::npos);
  CHECK(pair.log_text().find("TLS library problem: ") != std::string::npos);
}

TEST_CASE("a handshake that is given up while it waits leaves nothing behind") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  pair.holder.delay = Seconds(60);
  pair.open();
  pair.nursery().start(pair.serve());
  pair.nursery().start(pair.ask({}));
  pair.loop().run_until([&] { return pair.holder.signatures == 1; });
  pair.open();  // cancels both
  pair.holder.delay = Millis(1);
  pair.shake();
  CHECK(pair.accepted);
}

TEST_CASE("what is no handshake is refused in the known words") {
  Pair pair("");
  pair.holder.add("", test::self_signed("EC", "mx.example.com"));
  pair.open();
  pair.far->put("this is no handshake\r\n");
  pair.far->push();
  pair.nursery().start(pair.serve());
  pair.run();
  CHECK_FALSE(pair.accepted);
  CHECK(pair.log_text().find("SSL_accept error from a[192.0.2.1]: -1") !=
        std::string::npos);
  pair.open();
  pair.far->shut();
  pair.nursery().start(pair.serve());
  pair.run();
  CHECK(pair.log_text().find(
            "SSL_accept error from a[192.0.2.1]: lost connection") !=
        std::string::npos);
}
