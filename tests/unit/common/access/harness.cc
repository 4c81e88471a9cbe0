#include "tests/unit/common/access/harness.h"

#include <stdexcept>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::access::test {

Task<Result<ipc::TableAnswer>> FakeQuestions::find(ipc::TableFind question) {
  ipc::TableAnswer answer;
  for (const std::string& key : question.keys) {
    asked.push_back(question.maps + " " + key);
    const auto found = table.find(to_lower(key));
    if (found == table.end()) continue;
    answer.found = true;
    answer.value = found->second;
    break;
  }
  co_return answer;
}

// here.test is ours, relay.test is relayed for.
Task<Result<route::Resolved>> FakeQuestions::resolve(std::string,
                                                     std::string recipient) {
  const mail::AddressParts parts = mail::split_address(recipient);
  route::Resolved out;
  out.recipient = recipient;
  out.routed = parts.local.find_first_of("@%!") != std::string_view::npos;
  out.address_class = parts.domain == "here.test"
                          ? route::AddressClass::local
                      : parts.domain == "relay.test"
                          ? route::AddressClass::relay
                          : route::AddressClass::other;
  co_return out;
}

// All but unknown@.
Task<Result<route::Router::Known>> FakeQuestions::known(std::string recipient,
                                                        route::Resolved) {
  route::Router::Known out;
  out.known = !recipient.starts_with("unknown@");
  out.text = "User unknown in local recipient table";
  co_return out;
}

Task<ipc::DnsAnswer> FakeQuestions::dns(std::string name, std::string type) {
  asked.push_back(type + " " + name);
  ipc::DnsAnswer answer;
  answer.status = "nxdomain";
  const auto found = zone.find(type + " " + name);
  if (found != zone.end() && found->second.front() == "servfail") {
    answer.status = "servfail";
    answer.text = "Host not found, try again";
  } else if (found != zone.end()) {
    answer.status = "ok";
    answer.records = found->second;
  }
  co_return answer;
}

Task<ipc::MailHostsAnswer> FakeQuestions::host(std::string name) {
  asked.push_back("host " + name);
  ipc::MailHostsAnswer answer;
  const auto found = zone.find("host " + name);
  if (found == zone.end())
    answer.trouble = ipc::TroubleWire::from(give_up("4.4", "Host not found"));
  else
    for (const std::string& address : found->second)
      answer.addresses.push_back({name, address, 0});
  co_return answer;
}

Task<Result<ipc::VerifyAnswer>> FakeQuestions::verify(
    ipc::VerifyFind question) {
  asked.push_back("verify " + question.address);
  waits.push_back(question.wait);
  const auto found = verified.find(question.address);
  if (found == verified.end()) co_return try_later("3.0", "no such service");
  co_return found->second;
}

Task<Result<std::string>> FakeQuestions::policy(const PolicyService* service,
                                                std::string request) {
  requests.push_back(std::move(request));
  const auto found = actions.find(service->name);
  if (found == actions.end()) co_return try_later("3.0", "refused");
  co_return found->second;
}

Harness::Harness(const std::string& settings) {
  log::set_recorder([this](std::string_view, log::Severity severity,
                           std::string_view text) {
    if (severity == log::Severity::warning) lines_ += "warning: ";
    lines_ += text;
    lines_ += '\n';
  });
  auto config = config::Config::parse(
      "myhostname = mail.here.test\nmynetworks = 127.0.0.1/32\n"
      "mydestination = here.test\nmail_name = Postfix\n"
      "inet_interfaces = 127.0.0.1\ncompatibility_level = 3.6\n"
      "smtpd_relay_restrictions =\nqueue_directory = /queue\n" + settings,
      "/nonexistent");
  if (!config) throw std::runtime_error(config.trouble().text);
  read(settings_, *config, log_);
  settings_.open_tables();
  facts.client.name = facts.client.reverse_name = "client.test";
  facts.client.name_code = facts.client.reverse_code = '2';
  facts.client.address = "192.0.2.7";
  facts.client.port = "4000";
  facts.client.server_address = "192.0.2.1";
  facts.client.server_port = "25";
  facts.helo = "client.test";
  facts.protocol = "ESMTP";
  facts.sender = "a@client.test";
  facts.recipient = "b@here.test";
  access_ = std::make_unique<Access>(log_, facts, questions);
  access_->use(&settings_);
}

Harness::~Harness() { log::set_recorder({}); }

namespace {

Task<void> keep(Task<Refusal> task, Refusal* out) {
  *out = co_await std::move(task);
}

}  // namespace

std::string Harness::run(Task<Refusal> task, const char* where) {
  facts.where = where;
  Refusal refusal;
  Nursery nursery;
  nursery.start(keep(std::move(task), &refusal));
  loop_.run_until([&] { return nursery.empty(); });
  return refusal.value_or("");
}

}  // namespace postern::access::test
