// What a delivery needs around it, for tests: one agent's settings and log,
// tables and names that the test makes up.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "smtp/delivery.h"
#include "smtp/reuse.h"
#include "smtp/tls_client.h"
#include "tests/unit/smtp/sink.h"

namespace postern::smtp::test {

using Lines = std::vector<std::string>;

class FakeResolver : public Resolver {
 public:
  ipc::MailHostsAnswer answer;
  std::vector<std::string> asked;
  ipc::DnsAnswer dns;
  // By "maps key".
  std::map<std::string, std::string> table_entries = {
      {"fake:map 127.0.0.1", "pipelining"}};
  Task<Result<ipc::MailHostsAnswer>> hosts(
      ipc::MailHostsFind question) override {
    asked.push_back(question.domain);
    co_return answer;
  }
  // Whole tables, by name.
  std::map<std::string, std::map<std::string, std::string>> tables;
  bool broken = false;
  Task<Result<bool>> is_local(std::string domain) override {
    co_return domain == "here.test";
  }
  std::string complete(const std::string& address) const override {
    return address.find('@') == std::string::npos ? address + "@here.test"
                                                  : address;
  }
  Task<Result<ipc::TableAnswer>> table(ipc::TableFind question) override {
    ipc::TableAnswer out;
    if (broken) co_return try_later("3.0", "the table is away");
    if (tables.contains(question.maps)) {
      const auto& table = tables[question.maps];
      for (std::size_t i = 0; i < question.keys.size() && !out.found; ++i) {
        const auto found = table.find(question.keys[i]);
        if (found == table.end()) continue;
        out.found = true;
        out.key = static_cast<std::int64_t>(i);
        out.value = found->second;
      }
      co_return out;
    }
    for (const std::string& key : question.keys) {
      const auto entry = table_entries.find(question.maps + " " + key);
      if (entry == table_entries.end()) continue;
      out.found = true;
      out.value = entry->second;
      break;
    }
    co_return out;
  }
  Task<Result<ipc::DnsAnswer>> records(ipc::DnsFind question) override {
    asked.push_back(question.name);
    co_return dns;
  }
  Task<Result<std::string>> file(ipc::FileFind question) override {
    if (question.path != "/run/token") co_return try_later("3.0", "no file");
    co_return std::string("t0ken");
  }
};

// One agent with its surroundings, and its log.
struct World {
  Loop loop;
  Settings settings;
  Lines lines;
  log::Log log{"postern/smtp"};
  FakeResolver resolver;
  LoginCache logins;
  std::unique_ptr<TlsClient> tls;
  std::unique_ptr<Surroundings> around;
  std::unique_ptr<SessionPool> sessions;

  World() {
    settings.helo_name = "here.test";
    settings.myhostname = "here.test";
    settings.limits.connect = Seconds(5);
    log::set_recorder([this](std::string_view, log::Severity severity,
                             std::string_view text) {
      lines.push_back((severity == log::Severity::warning ? "warning: " : "") +
                      std::string(text));
    });
  }
  ~World() { log::set_recorder({}); }

  // The settings are final from the first delivery on.
  const Surroundings& surroundings() {
    if (!sessions) {
      sessions = std::make_unique<SessionPool>(settings);
      around.reset(new Surroundings{settings, log, resolver, *sessions, logins,
                                    tls.get()});
    }
    return *around;
  }
  ipc::DeliverReport deliver(ipc::DeliverRequest request) {
    Delivery delivery(surroundings(), std::move(request));
    std::optional<ipc::DeliverReport> report;
    Nursery nursery;
    nursery.start(keep(&delivery, &report));
    loop.run_until([&] { return report.has_value(); });
    return std::move(*report);
  }
  static Task<void> keep(Delivery* delivery,
                         std::optional<ipc::DeliverReport>* out) {
    ipc::DeliverReport report = co_await delivery->run();
    *out = std::move(report);
  }
  // Lets the sinks see what was sent last.
  void settle(const Sink& sink) {
    loop.run_until([&] { return sink.all_ended(); });
  }
};

inline ipc::DeliverRequest request(const std::string& next_hop,
                            const Lines& recipients,
                            const std::string& message = "S: x\n\ntext\n") {
  ipc::DeliverRequest out;
  out.queue_id = "QID";
  out.nexthop = next_hop;
  out.sender = "ann@here.test";
  out.content_offset = 3;
  out.content_size = static_cast<std::int64_t>(message.size());
  out.arrival = out.activated = wall_clock();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    ipc::DeliverRecipient one;
    one.index = static_cast<std::int64_t>(i) + 100;
    one.address = recipients[i];
    out.recipients.push_back(one);
  }
  out.message = Fd(::memfd_create("message", MFD_CLOEXEC));
  const std::string file = "abc" + message + "what follows the content";
  REQUIRE(::write(out.message.get(), file.data(), file.size()) ==
          static_cast<ssize_t>(file.size()));
  return out;
}

// "sent 2.0.0 | text" of the recipient with this index.
// "sent 2.0.0 | 250 Ok": without "delivery via RELAY: ", which every text of
// what was sent begins with.
inline std::string verdict(const ipc::DeliverReport& report, std::int64_t index) {
  for (const ipc::DeliverResult& result : report.results)
    if (result.index == index) {
      const char* const words[] = {"?", "sent", "deferred", "bounced"};
      std::string text = result.text;
      if (result.outcome == ipc::Outcome::sent) {
        REQUIRE(text.starts_with("delivery via "));
        text.erase(0, text.find(": ") + 2);
      }
      return std::string(words[static_cast<int>(result.outcome)]) + " " +
             result.status + " | " + text;
    }
  return "none";
}

inline std::string local(const Sink& sink) {
  return "127.0.0.1[127.0.0.1]:" + std::to_string(sink.port());
}

}  // namespace postern::smtp::test
