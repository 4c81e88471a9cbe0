// The program itself, confined, spoken to in the Dovecot auth protocol.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "authd/protocol.h"
#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/foreign_hash.h"
#include "common/credentials/store.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/auth.h"
#include "common/ipc/messages/control.h"
#include "common/os/files.h"

namespace postern::authd {
namespace {

using credentials::Hash;
using credentials::Store;

constexpr Millis patience{30'000};
const credentials::Cost cheap{8 << 20, 1};

std::pair<Fd, Fd> sockets() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

Task<void> await_ready(ipc::Link* link, bool* ready) {
  std::optional<ipc::Frame> frame = co_await link->next(patience);
  *ready = frame && frame->is<ipc::Ready>();
}

Task<void> ask(ipc::Link* link, ipc::AuthChannel question,
               std::optional<Result<ipc::AuthChannelAnswer>>* out) {
  Result<ipc::AuthChannelAnswer> answer =
      co_await link->call(question, patience);
  out->emplace(std::move(answer));
}

// A client of the protocol, blocking.
class Client {
 public:
  explicit Client(Fd socket) : socket_(std::move(socket)) {
    const timeval limit{30, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    say("VERSION\t1\t2\nCPID\t1\n");
    for (;;) {
      const std::string text = line();
      if (text.empty() || text == "DONE") break;
      greeting += text + "\n";
    }
  }
  void say(const std::string& text) {
    REQUIRE(os::write_all(socket_.get(), text, "authd"));
  }
  // Empty at the end.
  std::string line() {
    std::string text;
    char c = '\0';
    while (::read(socket_.get(), &c, 1) == 1) {
      if (c == '\n') return text;
      text += c;
    }
    return "";
  }
  // One request; the answer without its number.
  std::string auth(const std::string& mechanism, const std::string& response,
                   const std::string& more = "") {
    say("AUTH\t" + std::to_string(++id_) + "\t" + mechanism +
        "\tservice=smtp\trip=127.0.0.1\tno-penalty" + more + "\tresp=" +
        base64_encode(response) + "\n");
    return answer();
  }
  std::string answer() {
    return replace_all(line(), "\t" + std::to_string(id_), "");
  }
  std::string plain(const std::string& user, const std::string& password,
                    const std::string& authorized = "") {
    return auth("PLAIN", authorized + '\0' + user + '\0' + password);
  }
  // The challenge after a response.
  std::string next(const std::string& response) {
    say("CONT\t" + std::to_string(id_) + "\t" + base64_encode(response) +
        "\n");
    return answer();
  }
  std::string greeting;

 private:
  Fd socket_;
  int id_ = 0;
};

std::string decoded(const std::string& answer) {
  INFO(answer);
  REQUIRE(answer.starts_with("CONT\t"));
  return *base64_decode(answer.substr(5));
}

using Settings = std::vector<std::pair<std::string, std::string>>;

class Process {
 public:
  explicit Process(Settings settings = {}) {
    char path[] = "/tmp/postern-authd-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    directory_ = path;
    REQUIRE(os::make_directories(directory_ + "/data/auth", 0700).ok());
    auto [ours, theirs] = sockets();
    start(theirs.get());
    control_.emplace(std::move(ours), Role::master, Role::authd, "authd");
    theirs.reset();
    welcome(std::move(settings));
    bool ready = false;
    Nursery nursery;
    nursery.start(authd::await_ready(&*control_, &ready));
    loop_.run_until([&] { return nursery.empty(); });
    INFO(log());
    REQUIRE(ready);
  }
  ~Process() {
    control_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    for (const char* name :
         {"/data/auth/users.db", "/data/auth/users.db-wal",
          "/data/auth/users.db-shm", "/auth", "/log"})
      ::unlink((directory_ + name).c_str());
    for (const char* name : {"/data/auth", "/data", ""})
      ::rmdir((directory_ + name).c_str());
  }

  Store store() {
    Result<Store> store =
        Store::open(directory_ + "/data/auth/users.db", Store::Open::create);
    if (!store) FAIL(store.trouble().text);
    return std::move(*store);
  }
  void add(const std::string& name, const std::string& password,
           bool cram_md5 = false) {
    Store here = store();
    REQUIRE(*here.add(name,
                      credentials::make_keys(password,
                                             {cheap, true, true, cram_md5}),
                      false, 1));
  }
  void import(const std::string& name, const std::string& hash) {
    std::string why;
    const auto read = credentials::foreign_hash_from(hash, "CRYPT", &why);
    REQUIRE(read);
    Store here = store();
    REQUIRE(*here.add(name, credentials::imported_keys(*read), false, 1));
  }
  ipc::AuthChannelAnswer channel(const std::string& backend,
                                 const std::string& realm = "") {
    auto [ours, theirs] = sockets();
    control_->send(ipc::LinkArrival{"smtpd", "submission", "authd",
                                    std::move(theirs)});
    ipc::Link link(std::move(ours), Role::smtpd, Role::authd, "authd");
    std::optional<Result<ipc::AuthChannelAnswer>> out;
    Nursery nursery;
    nursery.start(ask(&link,
                      {backend, "smtpd", realm, "mail.example.com"}, &out));
    loop_.run_until([&] { return nursery.empty(); });
    INFO(log());
    REQUIRE(out->ok());
    return std::move(**out);
  }
  Client client(const std::string& realm = "") {
    return Client(channel("postern", realm).stream);
  }
  Client socket_client() {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (directory_ + "/auth").copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&name),
                      sizeof name) == 0);
    return Client(std::move(socket));
  }
  int drain() {
    control_->send(ipc::Drain{false});
    control_->flush_now();
    int status = -1;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string log() {
    const auto text = os::read_file(directory_ + "/log");
    return text ? *text : text.trouble().text;
  }
  bool logged(const std::string& text) {
    return log().find(text) != std::string::npos;
  }

 private:
  void start(int control) {
    const char* program = std::getenv("POSTERN_AUTHD");
    REQUIRE(program != nullptr);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ != 0) return;
    if (control == 3)
      ::fcntl(3, F_SETFD, 0);
    else
      ::dup2(control, 3);
    ::execl(program, program, nullptr);
    ::_exit(127);
  }
  Fd listener() {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (directory_ + "/auth").copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name),
                   sizeof name) == 0);
    REQUIRE(::listen(socket.get(), 10) == 0);
    return socket;
  }
  void welcome(Settings settings) {
    ipc::Welcome welcome;
    welcome.config_directory = directory_;
    welcome.service = "authd";
    settings.push_back({"data_directory", directory_ + "/data"});
    settings.push_back({"queue_directory", directory_});
    settings.push_back({"allow_degraded_isolation", "yes"});
    settings.push_back({"auth_hash_memory", "8192"});
    settings.push_back({"auth_hash_passes", "1"});
    for (const auto& [name, value] : settings)
      welcome.settings.push_back({name, value, "main.conf", 1});
    ipc::RowWire row;
    row.name = row.program = "authd";
    row.type = "unix";
    welcome.rows.push_back(row);
    row.name = "auth";
    row.overrides = {{"smtpd_sasl_local_domain", "example.com"}};
    welcome.rows.push_back(row);
    welcome.suite = welcome.rows;
    welcome.listeners.push_back({"auth", "unix", "public/auth", listener()});
    auto log =
        os::open_file(directory_ + "/log", O_WRONLY | O_APPEND | O_CREAT, 0600);
    REQUIRE(log.ok());
    welcome.log_file = std::move(*log);
    control_->send(welcome);
    control_->flush_now();
  }

  Loop loop_;
  std::string directory_;
  pid_t child_ = -1;
  std::optional<ipc::Link> control_;
};

const Settings quick = {{"auth_failure_delay", "0"}};
constexpr const char* failed = "\treason=authentication failure";

TEST_CASE("Users log in by PLAIN and LOGIN, and nobody else does") {
  Process process(quick);
  process.add("bob@example.com", "secret");
  Client client = process.client();
  CHECK(client.greeting.find("MECH\tPLAIN\tplaintext\n") != std::string::npos);
  CHECK(client.greeting.find("MECH\tSCRAM-SHA-256\t") != std::string::npos);
  CHECK(client.greeting.find("CRAM-MD5") == std::string::npos);
  CHECK(client.plain("bob@example.com", "secret") ==
        "OK\tuser=bob@example.com");
  CHECK(client.plain("BOB@Example.COM", "secret") ==
        "OK\tuser=bob@example.com");
  CHECK(client.plain("bob@example.com", "Secret") ==
        std::string("FAIL\tuser=bob@example.com") + failed);
  CHECK(client.plain("nobody@example.com", "secret") ==
        std::string("FAIL\tuser=nobody@example.com") + failed);
  CHECK(client.plain("bob@example.com", "secret", "bob@example.com") ==
        "OK\tuser=bob@example.com");
  CHECK(client.plain("bob@example.com", "secret", "eve@example.com") ==
        "FAIL\tuser=bob@example.com\treason=not authorized"
        "\tcode=authzfailed\tauthz");
  CHECK(client.auth("PLAIN", "nonsense") == std::string("FAIL") + failed);
  CHECK(client.auth("KERBEROS", "") == std::string("FAIL") + failed);
  CHECK(decoded(client.auth("LOGIN", "bob@example.com")) == "Password:");
  CHECK(client.next("secret") == "OK\tuser=bob@example.com");
  CHECK(process.logged("log-in failed: user=<nobody@example.com>, "
                       "method=PLAIN, service=smtp, client=127.0.0.1, "
                       "backend=store: there is no such user"));
  CHECK(process.logged("log-in failed: user=<bob@example.com>, method=PLAIN, "
                       "service=smtp, client=127.0.0.1, backend=store: wrong "
                       "password"));
  for (const char* word : {"secret", "Secret"})
    CHECK_FALSE(process.logged(word));
  CHECK(process.store().find("bob@example.com")->value().logged_in + 60 >
        ::time(nullptr));
  CHECK(process.drain() == 0);
}

// smtpd carries the log-ins of all its clients over one connection.
TEST_CASE("One who does not speak base64 disturbs no other") {
  Process process(quick);
  process.add("bob", "secret");
  Client client = process.client();
  const std::string request = "\tservice=smtp\trip=127.0.0.1\tno-penalty";
  client.say("AUTH\t100\tLOGIN" + request + "\n");
  CHECK(client.line() == "CONT\t100\t" + base64_encode("Username:"));
  client.say("AUTH\t101\tPLAIN" + request + "\tresp=A\n");
  CHECK(client.line() == "FAIL\t101\treason=Invalid base64 data in response");
  client.say("AUTH\t102\tLOGIN" + request + "\n");
  CHECK(client.line() == "CONT\t102\t" + base64_encode("Username:"));
  client.say("CONT\t102\t=\n");
  CHECK(client.line() == "FAIL\t102");
  client.say("CONT\t100\t" + base64_encode("bob") + "\n");
  CHECK(client.line() == "CONT\t100\t" + base64_encode("Password:"));
  client.say("CONT\t100\t" + base64_encode("secret") + "\n");
  CHECK(client.line() == "OK\t100\tuser=bob");
}

TEST_CASE("A disabled user is told so, if he is who he says") {
  Process process(quick);
  process.add("bob", "secret");
  REQUIRE(*process.store().set_disabled("bob", true));
  Client client = process.client();
  CHECK(client.plain("bob", "secret").find("\tuser_disabled") !=
        std::string::npos);
  CHECK(client.plain("bob", "wrong") ==
        std::string("FAIL\tuser=bob") + failed);
}

TEST_CASE("An imported hash serves once, and is replaced") {
  Process process(quick);
  process.import("crypt",
                 "{SHA512-CRYPT}$6$.qNNxtshS3rdcujO$TiLTJT7WgjBmo5vJyy63PPpz2Q"
                 "YfIj7N95RSEqBeH6FX16y8NgU6PPsRxiXd3TTCpOuFo9gMloKYlJ/jYUjgv0"
                 );
  process.import("blf",
                 "{BLF-CRYPT}$2y$05$/df3hkayV5yYs0h/9qYI1u1J7zjE0niOIZ9IFSgTBJ"
                 "otSnQNXqMp2");
  process.import("ssha", "{SSHA}JZ5jpdjJ79x/tg3bvPutg0uK9w6SasjU");
  Client client = process.client();
  // Their clients would choose SCRAM and could not log in.
  CHECK(client.greeting.find("SCRAM") == std::string::npos);
  const char* password = "pa ss\"w\xc3\xb6rd";
  for (const char* name : {"crypt", "blf", "ssha"}) {
    CAPTURE(name);
    CHECK(client.plain(name, "wrong").starts_with("FAIL"));
    CHECK(process.store().find(name)->value().keys.size() == 1);
    CHECK(client.plain(name, password) == "OK\tuser=" + std::string(name));
    const credentials::Keys keys = process.store().find(name)->value().keys;
    CHECK(credentials::find_key(keys, "imported") == nullptr);
    CHECK(credentials::find_key(keys, "argon2id") != nullptr);
    CHECK(credentials::find_key(keys, "scram-sha-256") != nullptr);
    CHECK(client.plain(name, password).starts_with("OK"));
    CHECK(client.plain(name, "wrong").starts_with("FAIL"));
  }
  Client second = process.client();
  CHECK(second.greeting.find("SCRAM-SHA-256-PLUS") != std::string::npos);
}

TEST_CASE("CRAM-MD5 is there where a user has a key for it") {
  Process process(quick);
  process.add("bob", "secret", true);
  process.add("eve", "secret");
  Client client = process.client();
  CHECK(client.greeting.find("MECH\tCRAM-MD5\t") != std::string::npos);
  const auto respond = [&](const std::string& user,
                           const std::string& password) {
    client.say("AUTH\t900\tCRAM-MD5\tservice=smtp\tno-penalty\n");
    const std::string challenge =
        decoded(replace_all(client.line(), "\t900", ""));
    CHECK(challenge.ends_with("@mail.example.com>"));
    client.say("CONT\t900\t" +
               base64_encode(user + " " +
                             credentials::to_hex(credentials::hmac(
                                 Hash::md5, password, challenge))) +
               "\n");
    return replace_all(client.line(), "\t900", "");
  };
  CHECK(respond("bob", "secret") == "OK\tuser=bob");
  for (const auto& [user, password] :
       {std::pair("bob", "wrong"), std::pair("eve", "secret"),
        std::pair("nobody", "secret")})
    CHECK(respond(user, password) ==
          "FAIL\tuser=" + std::string(user) + failed);
}

// The client's side of SCRAM-SHA-256 with the channel of `binding`.
std::string scram(Client& client, const std::string& user,
                  const std::string& password, const std::string& header,
                  const std::string& binding, const std::string& more,
                  std::string* salt = nullptr) {
  const std::string bare = "n=" + user + ",r=abcdefgh";
  const std::string mechanism =
      header.starts_with("p=") ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
  const std::string answer = client.auth(mechanism, header + bare, more);
  if (!answer.starts_with("CONT")) return answer;
  const std::string challenge = decoded(answer);
  const std::vector<std::string> parts = split(challenge, ',');
  REQUIRE(parts.size() == 3);
  if (salt != nullptr) *salt = parts[1];
  const std::string salted = credentials::pbkdf2(
      Hash::sha256, password, *base64_decode(parts[1].substr(2)),
      static_cast<int>(*parse_number(parts[2].substr(2))));
  const std::string without_proof =
      "c=" + base64_encode(header + binding) + "," + parts[0];
  const std::string auth = bare + "," + challenge + "," + without_proof;
  std::string proof = credentials::hmac(Hash::sha256, salted, "Client Key");
  const std::string signature = credentials::hmac(
      Hash::sha256, credentials::digest(Hash::sha256, proof), auth);
  for (std::size_t i = 0; i < proof.size(); ++i)
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  const std::string end =
      client.next(without_proof + ",p=" + base64_encode(proof));
  const std::string expected =
      "v=" + base64_encode(credentials::hmac(
                 Hash::sha256,
                 credentials::hmac(Hash::sha256, salted, "Server Key"), auth));
  if (end.starts_with("CONT")) {
    CHECK(decoded(end) == expected);
    return client.next("");
  }
  if (end.starts_with("OK"))
    CHECK(end.find("\tresp=" + base64_encode(expected)) != std::string::npos);
  return end;
}

TEST_CASE("SCRAM, with and without the channel bound") {
  Process process(quick);
  process.add("bob", "secret");
  Client client = process.client();
  CHECK(scram(client, "bob", "secret", "n,,", "", "") == "OK\tuser=bob");
  CHECK(scram(client, "bob", "secret", "n,,", "", "\tfinal-resp-ok")
            .starts_with("OK\tuser=bob\tresp="));
  CHECK(scram(client, "bob", "wrong", "n,,", "", "") ==
        std::string("FAIL\tuser=bob") + failed);
  const std::string bound = "\ttls_exporter=" + base64_encode("channel");
  CHECK(scram(client, "bob", "secret", "p=tls-exporter,,", "channel", bound) ==
        "OK\tuser=bob");
  CHECK(scram(client, "bob", "secret", "p=tls-exporter,,", "another", bound)
            .starts_with("FAIL"));
  CHECK(scram(client, "bob", "secret", "y,,", "", bound).starts_with("FAIL"));
  // Users who are not there have a salt, and keep it.
  std::string once, again, other;
  CHECK(scram(client, "eve", "x", "n,,", "", "", &once) ==
        std::string("FAIL\tuser=eve") + failed);
  scram(client, "eve", "x", "n,,", "", "", &again);
  scram(client, "mallory", "x", "n,,", "", "", &other);
  CHECK(once == again);
  CHECK(once != other);
}

TEST_CASE("EXTERNAL goes by the certificate") {
  Process process(quick);
  process.add("bob", "secret");
  Client client = process.client();
  const std::string trusted = "\tvalid-client-cert\tcert_username=bob";
  CHECK(client.auth("EXTERNAL", "", trusted) == "OK\tuser=bob");
  CHECK(client.auth("EXTERNAL", "bob", trusted) == "OK\tuser=bob");
  CHECK(client.auth("EXTERNAL", "eve", trusted).starts_with("FAIL"));
  CHECK(client.auth("EXTERNAL", "", "\tcert_username=bob")
            .starts_with("FAIL"));
  CHECK(client.auth("EXTERNAL", "", "\tvalid-client-cert\tcert_username=eve")
            .starts_with("FAIL"));
}

TEST_CASE("The named socket serves other programs") {
  Process process(quick);
  process.add("bob@example.com", "secret");
  Client client = process.socket_client();
  // The row's realm completes the name.
  CHECK(client.plain("bob", "secret") == "OK\tuser=bob@example.com");
  Client rude = process.socket_client();
  rude.say("AUTH\tx\n");
  CHECK(rude.line().empty());
  CHECK(process.logged("the client public/auth of authd broke the protocol"));
  Client other = process.socket_client();
  other.say(std::string(20'000, 'x'));
  CHECK(other.line().empty());
  CHECK(client.plain("bob", "secret").starts_with("OK"));
}

TEST_CASE("Failures are slow, and too many of them are locked out") {
  Process process(Settings{{"auth_failure_delay", "1"},
                   {"auth_address_failure_limit", "2"}});
  process.add("bob", "secret");
  Client client = process.client();
  const auto timed = [&](int id, const char* address,
                         const std::string& password) {
    client.say("AUTH\t" + std::to_string(id) +
               "\tPLAIN\tservice=smtp\trip=" + address + "\tresp=" +
               base64_encode('\0' + std::string("bob") + '\0' + password) +
               "\n");
    const Clock::time_point begun = Clock::now();
    const std::string answer =
        replace_all(client.line(), "\t" + std::to_string(id), "");
    return std::pair(answer, Clock::now() - begun);
  };
  CHECK(timed(1, "192.0.2.1", "secret").first == "OK\tuser=bob");
  const auto [first, first_time] = timed(2, "192.0.2.1", "wrong");
  CHECK(first.starts_with("FAIL"));
  CHECK(first_time >= Millis(990));
  // An old password, tried again: not another failure.
  CHECK(timed(3, "192.0.2.1", "wrong").second < Millis(1900));
  const auto [second, second_time] = timed(4, "192.0.2.1", "worse");
  CHECK(second_time >= Millis(1990));
  CHECK(timed(5, "192.0.2.1", "secret").first ==
        "FAIL\tcode=temp_fail\ttemp");
  CHECK(timed(6, "192.0.2.2", "secret").first == "OK\tuser=bob");
  CHECK(process.logged("too many failed log-ins: client=192.0.2.1"));
  CHECK(process.logged("its address is locked for a while"));
}

TEST_CASE("More log-ins than are bearable fail for now") {
  Process process(Settings{{"auth_failure_delay", "0"},
                   {"auth_queue_limit", "1"},
                   {"auth_hash_threads", "1"}});
  process.add("bob", "secret");
  Client client = process.client();
  std::string all;
  constexpr int count = 200;
  for (int i = 1; i <= count; ++i)
    all += "AUTH\t" + std::to_string(i) +
           "\tPLAIN\tservice=smtp\tno-penalty\tresp=" +
           base64_encode(std::string("\0bob\0secret", 11)) + "\n";
  client.say(all);
  int good = 0, put_off = 0;
  for (int i = 0; i < count; ++i) {
    const std::string answer = client.line();
    good += answer.starts_with("OK\t");
    put_off += answer.ends_with("\ttemp");
  }
  CHECK(good >= 1);
  CHECK(put_off > 0);
  CHECK(good + put_off == count);
  CHECK(client.plain("bob", "secret").starts_with("OK"));
}

TEST_CASE("A log-in under way is cancelled, and another back end is refused") {
  Process process;
  process.add("bob", "secret");
  Client client = process.client();
  client.say("AUTH\t5\tLOGIN\tservice=smtp\n");
  CHECK(client.line().starts_with("CONT\t5\t"));
  client.say("CANCEL\t5\n");
  CHECK(client.line().starts_with("FAIL\t5"));
  const ipc::AuthChannelAnswer none = process.channel("cyrus");
  CHECK(none.trouble.present);
  CHECK_FALSE(none.stream.valid());
  CHECK(process.channel("nonsense").trouble.present);
}

TEST_CASE("Without a store nobody logs in, until there is one") {
  Process process(quick);
  Client client = process.client();
  CHECK(client.plain("bob", "secret") ==
        std::string("FAIL\tuser=bob") + failed);
  process.add("bob", "secret");
  CHECK(client.plain("bob", "secret") == "OK\tuser=bob");
}

}  // namespace
}  // namespace postern::authd
