// A session on a socket pair, with a cleanup that keeps what it got and
// answers that are made up.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/session.h"

namespace postern::smtpd::test {

// What the cleanup end received of one message.
struct Delivered {
  ipc::MessageBegin begin;
  std::vector<ipc::MessageRecipient> recipients;
  ipc::MessageMark mark;
  std::string content;
  int frames = 0;  // of content
  bool ended = false;
};

// A server of the Dovecot auth protocol that says what a test tells it to.
class FakeAuthServer final : public AuthBackend {
 public:
  Task<Result<Fd>> connect(Millis limit) override;
  std::string name() const override { return "Dovecot auth socket 'fake'"; }
  // Ends all connections.
  void hang_up() {
    for (const auto& each : peers_) each->shut();
    peers_.clear();
  }

  std::string handshake =
      "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
      "MECH\tCRAM-MD5\tdictionary\tactive\nMECH\tANONYMOUS\tanonymous\n"
      "MECH\tEXTERNAL\nMECH\tSECRET\tprivate\nSPID\t7\nCUID\t1\n"
      "COOKIE\t00\nDONE\n";
  std::string down;  // not empty: connections fail, for that reason
  // What a line of the client is answered with; "" nothing. The default knows
  // alice's password "secret".
  std::function<std::string(const std::string& line)> answer = alice;
  std::vector<std::string> heard;
  int connections = 0;

  static std::string alice(const std::string& line);

 private:
  Task<void> serve(std::shared_ptr<Stream> peer);
  std::vector<std::shared_ptr<Stream>> peers_;
  Nursery nursery_;
};

class FakeSurroundings final : public Surroundings {
 public:
  ~FakeSurroundings() override;

  Task<ipc::ClientNameAnswer> client_name(std::string address) override;
  Task<Result<ipc::AnvilAnswer>> count(std::string event,
                                       std::string client) override;
  Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) override;
  Task<Result<route::Resolved>> resolve(std::string sender,
                                        std::string recipient) override;
  Task<Result<route::Router::Known>> known(std::string recipient,
                                           route::Resolved resolved) override;
  Task<ipc::DnsAnswer> dns(std::string name, std::string type) override;
  Task<ipc::MailHostsAnswer> host(std::string name) override;
  Task<Result<ipc::VerifyAnswer>> verify(ipc::VerifyFind question) override;
  Task<Result<std::string>> policy(const PolicyService* service,
                                   std::string request) override;
  Task<Result<ipc::FlushAnswer>> flush(std::string site) override;
  Task<Result<ipc::RoomAnswer>> room(std::int64_t size_hint) override;
  AuthService& authentication() override { return auth_; }
  Task<Result<std::unique_ptr<ipc::Link>>> borrow_content_link() override;
  void give_back(std::unique_ptr<ipc::Link> link) override;

  // What to answer.
  std::map<std::string, std::string> table;  // key to value, in any table
  bool tables_broken = false;
  // "MX name" to records; "servfail" alone for a name server that fails.
  std::map<std::string, std::vector<std::string>> zone;
  std::map<std::string, ipc::VerifyAnswer> verified;  // by address
  // The action of every policy service; "" where none answers.
  std::string policy_action;
  std::string no_room;  // why there is none
  std::string name_warning;  // of the client's name
  // cleanup takes nothing more until the test lets it.
  bool cleanup_stuck = false;
  std::int64_t anvil_count = 1, anvil_rate = 1;
  ipc::TroubleWire begin_trouble, verdict_trouble;
  bool break_before_verdict = false;
  // What happened.
  std::vector<Delivered> messages;
  std::vector<std::string> events, asked_dns, policy_requests;
  std::vector<std::unique_ptr<ipc::Link>> idle;
  int links_made = 0;
  FakeAuthServer auth_server;

 private:
  log::Log log_{"postern/smtpd"};
  AuthService auth_{auth_server, log_};
  Task<void> cleanup(ipc::Link* link);
  std::vector<std::unique_ptr<ipc::Link>> far_ends_;
  Nursery nursery_;
};

class Harness {
 public:
  // `settings` are lines of main.conf.
  explicit Harness(const std::string& settings = "",
                   const std::string& address = "127.0.0.1");
  ~Harness();

  // Sends text, then gives all complete replies that come of it: waits for
  // `replies` last lines ("250 ", not "250-").
  std::string say(const std::string& text, int replies = 1);
  void send(const std::string& text);
  std::string hear(int replies = 1);
  // Until the session has ended; what it still said.
  std::string finish();
  void hang_up();

  bool ended() const { return nursery_.empty(); }
  // All log lines so far, each ended by "\n".
  const std::string& log_text() const { return lines_; }
  FakeSurroundings& around() { return *around_; }

 private:
  void begin();
  void take();
  bool begun_ = false;
  std::string lines_;
  Loop loop_;
  log::Log log_{"postern/smtpd"};
  std::unique_ptr<FakeSurroundings> around_;
  std::unique_ptr<Session> session_;
  Nursery nursery_;
  Fd client_;
  std::string heard_;
};

}  // namespace postern::smtpd::test
