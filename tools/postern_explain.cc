#include "tools/postern_explain.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <set>

#include "common/access/access.h"
#include "common/base/text.h"
#include "common/config/master_table.h"
#include "common/mail/address.h"
#include "common/mail/path.h"
#include "common/tables/address_find.h"
#include "tools/explain_questions.h"
#include "tools/explain_report.h"

namespace postern::tools {
namespace {

constexpr const char* usage =
    "usage: postern explain [options] RECIPIENT\n"
    "  --client ADDRESS       the client's address (127.0.0.1)\n"
    "  --client-name NAME     its verified name; else it is looked up\n"
    "  --helo NAME            as given with HELO or EHLO\n"
    "  --from ADDRESS         the sender; none is the null sender\n"
    "  --sasl-user USER       who has logged in\n"
    "  --sasl-method METHOD   and how (PLAIN)\n"
    "  --service NAME         the row of master.conf whose options count (smtp)\n"
    "  --time SECONDS         since 1970, for the age of verified addresses\n"
    "  --ask-policy           ask policy services, which may remember it\n"
    "  --no-dns               ask no name server\n"
    "  --json                 print JSON\n";

struct Option {
  std::string_view name;
  std::string Envelope::* text;
};
constexpr Option options[] = {
    {"--client", &Envelope::client_address},
    {"--helo", &Envelope::helo},
    {"--from", &Envelope::sender},
    {"--sasl-user", &Envelope::sasl_user},
    {"--sasl-method", &Envelope::sasl_method},
    {"--service", &Envelope::service},
};
struct Switch {
  std::string_view name;
  bool Envelope::* flag;
  bool value;
};
constexpr Switch switches[] = {{"--json", &Envelope::json, true},
                               {"--ask-policy", &Envelope::ask_policy, true},
                               {"--no-dns", &Envelope::dns, false}};

bool take_switch(Envelope& envelope, const std::string& word) {
  for (const Switch& each : switches)
    if (word == each.name) {
      envelope.*each.flag = each.value;
      return true;
    }
  return false;
}

// An option with a value; false: there is none of that name, or the value is
// none.
bool take_option(Envelope& envelope, const std::string& name,
                 const std::string& value) {
  for (const Option& each : options)
    if (name == each.name) {
      envelope.*each.text = value;
      return true;
    }
  if (name == "--client-name") {
    envelope.client_name = value;
    return true;
  }
  if (name != "--time") return false;
  const std::optional<std::int64_t> seconds = parse_number(value);
  envelope.time = seconds.value_or(0);
  return seconds.has_value();
}

std::optional<std::string> internal_form(const std::string& address) {
  mail::PathRules rules;
  rules.allow_empty = true;
  return mail::parse_path("<" + address + ">", rules);
}

// nullopt: not understood, and said so.
std::optional<Envelope> read_options(const std::vector<std::string>& words) {
  Envelope envelope;
  envelope.time = std::time(nullptr);
  const auto refuse = [](const std::string& why) {
    std::fprintf(stderr, "postern explain: %s\n\n%s", why.c_str(), usage);
    return std::nullopt;
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (take_switch(envelope, word)) continue;
    if (!word.starts_with("--")) {
      if (!envelope.recipient.empty())
        return refuse("one recipient at a time: " + word);
      envelope.recipient = word;
      continue;
    }
    if (i + 1 == words.size()) return refuse("no value behind " + word);
    if (!take_option(envelope, word, words[++i]))
      return refuse("not understood: " + word + " " + words[i]);
  }
  if (envelope.recipient.empty()) return refuse("which recipient?");
  if (!mail::valid_hostaddr(envelope.client_address))
    return refuse("not an address: " + envelope.client_address);
  for (std::string* address : {&envelope.sender, &envelope.recipient}) {
    std::optional<std::string> parsed = internal_form(*address);
    if (!parsed) return refuse("not a mail address: " + *address);
    *address = std::move(*parsed);
  }
  return envelope;
}

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
    if (!refused_) {
      co_await follow();
    }
    done_ = true;
  }

  bool done() const { return done_; }
  bool refused() const { return refused_; }
  std::string printed() const {
    return envelope_.json ? report_.json() : report_.text();
  }

 private:
  // All stages as one RCPT command meets them, whatever smtpd_delay_reject says.
  Task<access::Refusal> decide() {
    settings_.delay_reject = true;
    facts_.where = "RCPT";
    facts_.protocol = "ESMTP";
    facts_.service = envelope_.service;
    if (!envelope_.helo.empty()) facts_.helo = envelope_.helo;
    facts_.sender = envelope_.sender;
    facts_.recipient = envelope_.recipient;
    if (!envelope_.sasl_user.empty()) {
      facts_.login = std::make_unique<access::Login>();
      facts_.login->method = envelope_.sasl_method;
      facts_.login->user = envelope_.sasl_user;
    }
    co_return co_await access_.recipient();
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
  const std::optional<Envelope> envelope = read_options(words);
  if (!envelope) return 2;
  const std::optional<config::Config> config =
      config_of_row(suite, envelope->service);
  if (!config) return 2;
  // What would go to the mail log goes to whoever asks.
  log::set_recorder([](std::string_view, log::Severity severity,
                       std::string_view text) {
    if (severity == log::Severity::info) return;
    std::fprintf(stderr, "postern explain: %.*s\n",
                 static_cast<int>(text.size()), text.data());
  });
  Loop loop;
  Explanation explanation(*config, suite.log, *envelope);
  Nursery nursery;
  nursery.start(explanation.run());
  loop.run_until([&] { return explanation.done(); });
  std::fputs(explanation.printed().c_str(), stdout);
  return explanation.refused() ? 1 : 0;
}

}  // namespace postern::tools
