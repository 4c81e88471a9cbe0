// Access decisions without a session: facts are set, questions are answered by
// tables of the test.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/access/access.h"
#include "common/config/config.h"

namespace postern::access::test {

class FakeQuestions final : public Questions {
 public:
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

  // In any table.
  std::map<std::string, std::string> table;
  // "MX name" to records, "servfail" for a name server that fails. "host name"
  // to addresses.
  std::map<std::string, std::vector<std::string>> zone;
  std::map<std::string, ipc::VerifyAnswer> verified;
  // By the name of the service; none: it does not answer.
  std::map<std::string, std::string> actions;
  // What was asked.
  std::vector<std::string> asked, requests;
  std::vector<std::int64_t> waits;
};

class Harness {
 public:
  // `settings` are lines of main.conf. The client is 192.0.2.7, a stranger with
  // a verified name; HELO client.test, a@client.test to b@here.test.
  explicit Harness(const std::string& settings);
  ~Harness();

  // The reply of a stage, "" for none.
  std::string rcpt() { return run(access_->recipient(), "RCPT"); }
  std::string data() { return run(access_->data(), "DATA"); }
  std::string etrn(std::string site) {
    return run(access_->etrn(std::move(site)), "ETRN");
  }

  Facts facts;
  FakeQuestions questions;
  const std::string& log_text() const { return lines_; }
  Access& access() { return *access_; }

 private:
  std::string run(Task<Refusal> task, const char* where);

  std::string lines_;
  Loop loop_;
  log::Log log_{"postern/smtpd"};
  Settings settings_;
  std::unique_ptr<Access> access_;
};

}  // namespace postern::access::test
