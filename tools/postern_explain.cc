#include "tools/postern_explain.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "common/access/access.h"
#include "common/base/text.h"
#include "common/config/master_table.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/tables/address_find.h"
#include "tools/explain_events.h"
#include "tools/explain_options.h"
#include "tools/explain_questions.h"
#include "tools/explain_report.h"

namespace postern::tools {
namespace {

// One run: the decision, then the way of an accepted recipient.
class Explanation {
 public:
  Explanation(const config::Config& config, const log::Log& log,
              Envelope envelope)
      : config_(config),
        log_(log),
        envelope_(std::move(envelope)),
        report_(config),
        questions_(config, log, envelope_, report_),
        access_(log, facts_, questions_) {
    access::read(settings_, config, log);
    settings_.open_tables();
    access_.use(&settings_);
    access_.tell_steps_to(&report_);
  }

  Task<void> run() {
    co_await describe_client();
    access::Refusal refused = co_await decide();
    refused_ = refused.has_value();
    report_.replied(refused ? *refused : "250 2.1.5 Ok");
    if (!envelope_.logged.empty()) report_.was(envelope_.logged);
    if (!refused_ && envelope_.stage == "RCPT") {
      co_await follow();
    }
    done_ = true;
  }

  bool done() const { return done_; }
  bool refused() const { return refused_; }
  const Report& report() const { return report_; }

 private:
  // Asked by hand, all stages as one RCPT command meets them; of a refusal
  // that happened, the lists that its command met.
  Task<access::Refusal> decide() {
    if (envelope_.logged.empty()) settings_.delay_reject = true;
    set_facts();
    const std::string& stage = envelope_.stage;
    const bool delayed = settings_.delay_reject;
    if (stage == "CONNECT") {
      co_return co_await access_.client();
    }
    if (stage == "HELO" || stage == "EHLO") {
      co_return co_await access_.helo();
    }
    if (stage == "ETRN") {
      co_return co_await access_.etrn(envelope_.recipient);
    }
    if (stage == "DATA" || stage == "BDAT") {
      co_return co_await access_.data();
    }
    if (stage == "END-OF-MESSAGE") {
      co_return co_await access_.end_of_data();
    }
    if (stage == "MAIL") {
      const access::Refusal large = access_.size(envelope_.size);
      if (large || (delayed && !envelope_.logged.empty())) co_return large;
      co_return co_await access_.sender();
    }
    co_return co_await access_.recipient();
  }

  void set_facts() {
    facts_.where = envelope_.stage;
    facts_.protocol = "ESMTP";
    facts_.service = envelope_.service;
    facts_.size = envelope_.size;
    facts_.improper_pipelining = envelope_.pipelined;
    if (!envelope_.helo.empty()) facts_.helo = envelope_.helo;
    if (envelope_.has_sender) facts_.sender = envelope_.sender;
    if (envelope_.stage != "ETRN") facts_.recipient = envelope_.recipient;
    const bool content = envelope_.stage == "DATA" ||
                         envelope_.stage == "BDAT" ||
                         envelope_.stage == "END-OF-MESSAGE";
    if (content) facts_.recipients = envelope_.recipients;
    if (envelope_.encrypted) facts_.tls = std::make_shared<tls::Facts>();
    if (envelope_.sasl_user.empty()) return;
    facts_.login = std::make_unique<access::Login>();
    facts_.login->method = envelope_.sasl_method;
    facts_.login->user = envelope_.sasl_user;
  }

  // The name is verified as lookup does: the address's name must have the
  // address.
  Task<void> describe_client() {
    access::Client& client = facts_.client;
    client.address = envelope_.client_address;
    if (envelope_.client_name) {
      client.name = client.reverse_name = *envelope_.client_name;
      client.name_code = client.reverse_code = '2';
    } else {
      co_await look_up_client();
    }
    report_.client_is(client.shown());
  }

  Task<void> look_up_client() {
    access::Client& client = facts_.client;
    std::string name = hosts_.current().name_of(client.address).value_or("");
    if (name.empty()) {
      const ipc::DnsAnswer answer = co_await questions_.dns(
          dns::reverse_name(client.address).value_or(""), "PTR");
      if (answer.status == "servfail" || answer.status == "timeout")
        client.name_code = client.reverse_code = '4';
      if (answer.records.empty()) co_return;
      name = answer.records.front();
      if (name.ends_with('.')) name.pop_back();
    }
    client.reverse_name = name;
    client.reverse_code = '2';
    const ipc::MailHostsAnswer found = co_await questions_.host(name);
    client.name_code = found.addresses.empty() ? '5' : '6';
    for (const ipc::HostAddress& each : found.addresses)
      if (each.address == client.address) client.name_code = '2';
    if (client.name_code == '2') client.name = name;
  }

  // Rewriting, canonical maps, aliases, then the way of each address.
  Task<void> follow() {
    std::string address = co_await completed(envelope_.recipient);
    address =
        co_await canonical(std::move(address), "recipient_canonical_maps");
    address = co_await canonical(std::move(address), "canonical_maps");
    std::set<std::string> seen;
    co_await expand(std::move(address), &seen, 0);
  }

  Task<std::string> completed(std::string address) {
    const std::string rewritten =
        questions_.router().rewrite(address, route::Context::local);
    if (rewritten != address)
      report_.rewritten(address, rewritten, "address completion");
    co_return rewritten;
  }

  Task<std::optional<std::string>> mapped(std::string address,
                                          std::string maps) {
    if (maps.empty()) co_return std::nullopt;
    Result<bool> ours = co_await questions_.router().is_local_domain(
        std::string(mail::split_address(address).domain));
    mail::ExtensionRules rules;
    rules.delimiters = settings_.delimiters;
    ipc::TableFind question;
    question.maps = maps;
    const auto keys = tables::virtual_keys(mail::fold_key(address), rules,
                                           ours && *ours);
    question.partial_from = static_cast<std::int64_t>(keys.size());
    for (const tables::Candidate& key : keys) {
      if (key.partial)
        question.partial_from =
            std::min(question.partial_from,
                     static_cast<std::int64_t>(question.keys.size()));
      question.keys.push_back(key.key);
    }
    Result<ipc::TableAnswer> answer =
        co_await questions_.find(std::move(question));
    if (!answer || !answer->found) co_return std::nullopt;
    co_return answer->value;
  }

  Task<std::string> canonical(std::string address, std::string parameter) {
    std::optional<std::string> value =
        co_await mapped(address, config_.text(parameter));
    if (!value) co_return address;
    std::string to =
        questions_.router().rewrite(*value, route::Context::local);
    report_.rewritten(address, to, parameter);
    co_return to;
  }

  Task<void> expand(std::string address, std::set<std::string>* seen,
                    int depth) {
    const std::int64_t deepest =
        config_.get<"virtual_alias_recursion_limit">();
    std::optional<std::string> value;
    if (depth < deepest && seen->insert(mail::fold_key(address)).second) {
      value = co_await mapped(address, config_.get<"virtual_alias_maps">());
    }
    if (!value) {
      co_await resolve(std::move(address));
      co_return;
    }
    const std::vector<std::string> targets = split_words(*value);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      std::string to =
          questions_.router().rewrite(targets[i], route::Context::local);
      report_.rewritten(address, to, "virtual_alias_maps");
      co_await expand(std::move(to), seen, depth + 1);
    }
  }

  Task<void> resolve(std::string address) {
    Result<route::Resolved> found =
        co_await questions_.resolve(envelope_.sender, address);
    Route route;
    route.address = address;
    if (found) {
      constexpr const char* classes[] = {"local", "virtual alias",
                                         "virtual mailbox", "relay", "other"};
      route.address = found->recipient;
      route.address_class =
          classes[static_cast<std::size_t>(found->address_class)];
      route.transport = found->transport;
      route.nexthop = found->nexthop;
    } else {
      route.transport = "(not known now)";
      route.nexthop = found.trouble().text;
    }
    report_.routed(std::move(route));
  }

  const config::Config& config_;
  const log::Log& log_;
  Envelope envelope_;
  Report report_;
  ExplainQuestions questions_;
  access::Facts facts_;
  access::Settings settings_;
  access::Access access_;
  dns::HostsFile hosts_;
  bool done_ = false, refused_ = false;
};

// What stands in the log about a refusal, as options say it.
Envelope envelope_of(const RefusalEvent& event, Envelope envelope) {
  envelope.client_address = event.client_address;
  if (event.client_name != "unknown") envelope.client_name = event.client_name;
  envelope.stage = event.where;
  envelope.logged = event.reply;
  envelope.helo = event.helo.value_or("");
  envelope.has_sender = event.sender.has_value();
  envelope.sender = internal_address(event.sender.value_or("")).value_or("");
  envelope.recipient =
      internal_address(event.recipient.value_or("")).value_or("");
  // A reply names whom it refuses first: of ETRN, the site.
  if (event.where == "ETRN" && event.reply.find('<') != std::string::npos) {
    const std::size_t from = event.reply.find('<') + 1;
    envelope.recipient =
        event.reply.substr(from, event.reply.find('>', from) - from);
  }
  if (!event.recipient) envelope.recipients = 2;
  envelope.pipelined =
      event.reply.find("command pipelining") != std::string::npos;
  if (event.encrypted) envelope.encrypted = true;
  if (!event.sasl_user.empty()) {
    envelope.sasl_user = event.sasl_user;
    envelope.sasl_method = event.sasl_method;
  }
  return envelope;
}

// The row that logs under the event's name ("postern/submission/smtpd"), if
// one says so; else the one that was named.
std::string row_of(const Suite& suite, const RefusalEvent& event,
                   const std::string& named) {
  const Result<config::MasterTable> table =
      config::MasterTable::load(suite.directory);
  if (!table) return named;
  for (const config::ServiceRow& row : table->rows()) {
    if (row.program != "smtpd") continue;
    const config::Config config = suite.config.with_overrides(row.overrides);
    const bool own =
        config.get<"syslog_name">() != suite.config.get<"syslog_name">();
    if (own && event.tag == config.get<"syslog_name">() + "/smtpd")
      return row.name;
  }
  return named;
}

std::vector<RefusalEvent> events_asked_for(const Suite& suite,
                                           const ExplainWords& asked) {
  if (!asked.line.empty()) {
    const std::optional<RefusalEvent> event = parse_refusal(asked.line);
    if (!event) {
      std::fprintf(stderr, "postern explain: that line tells of no refusal by "
                           "smtpd\n");
      return {};
    }
    return {*event};
  }
  const std::string path = suite.config.get<"maillog_file">();
  if (path.empty()) {
    std::fprintf(stderr, "postern explain: maillog_file is empty: give the "
                         "line with --line\n");
    return {};
  }
  const Result<std::string> log = os::read_file(path);
  if (!log) {
    std::fprintf(stderr, "postern explain: %s\n", log.trouble().text.c_str());
    return {};
  }
  const std::vector<RefusalEvent> events =
      asked.queue_id.empty() ? refusals_of_session(*log, asked.session)
                             : refusals_of_message(*log, asked.queue_id);
  if (events.empty())
    std::fprintf(stderr, "postern explain: %s tells of no refusal of %s\n",
                 path.c_str(),
                 (asked.queue_id.empty() ? asked.session : asked.queue_id)
                     .c_str());
  return events;
}

std::vector<Envelope> refusals_asked_for(const Suite& suite,
                                         const ExplainWords& asked) {
  std::vector<Envelope> out;
  for (const RefusalEvent& event : events_asked_for(suite, asked)) {
    Envelope envelope = envelope_of(event, asked.envelope);
    envelope.service = row_of(suite, event, envelope.service);
    out.push_back(std::move(envelope));
  }
  return out;
}

// What smtpd of that row sees; nullopt: no such row.
std::optional<config::Config> config_of_row(const Suite& suite,
                                            const std::string& service) {
  const Result<config::MasterTable> table =
      config::MasterTable::load(suite.directory);
  if (!table) suite.log.fatal(table.trouble().text);
  for (const config::ServiceRow& row : table->rows())
    if (row.program == "smtpd" && row.name == service)
      return suite.config.with_overrides(row.overrides);
  std::fprintf(stderr,
               "postern explain: no row %s of smtpd in %s; --service names "
               "one\n", service.c_str(), table->file().c_str());
  return std::nullopt;
}

}  // namespace

int explain(Suite& suite, const std::vector<std::string>& words) {
  const std::optional<ExplainWords> asked = read_explain_words(words);
  if (!asked) return 2;
  std::vector<Envelope> envelopes{asked->envelope};
  if (asked->from_log()) envelopes = refusals_asked_for(suite, *asked);
  if (envelopes.empty()) return 2;
  // What would go to the mail log goes to whoever asks.
  log::set_recorder([](std::string_view, log::Severity severity,
                       std::string_view text) {
    if (severity == log::Severity::info) return;
    std::fprintf(stderr, "postern explain: %.*s\n",
                 static_cast<int>(text.size()), text.data());
  });
  bool refused = false;
  std::string printed;
  for (const Envelope& envelope : envelopes) {
    const std::optional<config::Config> config =
        config_of_row(suite, envelope.service);
    if (!config) return 2;
    Loop loop;
    Explanation explanation(*config, suite.log, envelope);
    Nursery nursery;
    nursery.start(explanation.run());
    loop.run_until([&] { return explanation.done(); });
    if (!printed.empty()) printed += asked->json ? ",\n" : "\n";
    printed += asked->json ? explanation.report().json()
                           : explanation.report().text();
    refused |= explanation.refused();
  }
  if (asked->json && asked->from_log()) printed = "[\n" + printed + "]\n";
  std::fputs(printed.c_str(), stdout);
  return refused ? 1 : 0;
}

}  // namespace postern::tools
