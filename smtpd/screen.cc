#include "smtpd/screen.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/access/facts.h"
#include "common/access/replies.h"
#include "common/base/text.h"
#include "common/dns/names.h"
#include "common/mail/status.h"
#include "smtpd/command_line.h"
#include "smtpd/screen_session.h"

namespace postern::smtpd {

using access::Trial;

namespace {

constexpr std::size_t most_shown = 100;  // of what a client said too early
// A client that was told to go may take so long to do so.
constexpr Millis leaving_limit = Seconds(2);
constexpr int most_leaving_reads = 20;

constexpr Trial all_trials[] = {Trial::greet, Trial::dnsbl, Trial::pipelining,
                                Trial::non_smtp, Trial::bare_newline};

bool send_all(int socket, const std::string& text) {
  return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

// "1.2.0.192" of 192.0.2.1; IPv6 by its nibbles.
std::string reversed(const std::string& address) {
  std::string name = dns::reverse_name(address).value_or("");
  for (const std::string_view tree : {".in-addr.arpa", ".ip6.arpa"})
    if (name.ends_with(tree)) name.resize(name.size() - tree.size());
  return name;
}

}  // namespace

std::string short_time(std::chrono::duration<double> time) {
  const double seconds = time.count();
  if (seconds < 0.005) return "0";
  if (seconds >= 10) return fmt::format("{:.0f}", seconds);
  return seconds < 0.1 ? fmt::format("{:.2f}", seconds)
                       : fmt::format("{:.2g}", seconds);
}

std::string Screened::shown() const {
  return "[" + client.address + "]:" + client.port;
}

void Screened::pass(Trial trial, std::int64_t end) {
  record.pass(trial, end);
  passed.set(trial);
}

Task<std::string> finished_reply(const Screened* screened,
                                 const ScreenSettings* settings,
                                 ScreenQuestions* questions,
                                 const log::Log* log, std::string reply) {
  if (settings->soft_bounce) reply = mail::soften_reply(reply);
  if (reply[0] != '4' && reply[0] != '5') co_return reply;
  std::string footer = settings->reject_footer;
  if (!settings->reject_footer_maps.empty()) {
    ipc::TableFind question;
    question.maps = settings->reject_footer_maps;
    question.keys.push_back(reply);
    Result<ipc::TableAnswer> found =
        co_await questions->find(std::move(question));
    if (found && found->found) footer = found->value;
  }
  if (footer.empty()) co_return reply;
  access::Facts facts;
  facts.client = screened->client;
  const access::NameValue value = [&](std::string_view name) {
    return name == "server_name" ? settings->myhostname
                                 : access::value_of(facts, name);
  };
  Result<std::string> whole =
      access::with_footer(reply, footer, value, settings->expansion_filter);
  if (whole) co_return std::move(*whole);
  log->warning("postscreen_reject_footer: {}", whole.trouble().text);
  co_return reply;
}

Task<Result<bool>> list_matches(tables::MatchList* list, std::string name,
                                std::string address,
                                ScreenQuestions* questions) {
  tables::MatchList::Walk walk(*list, name, address);
  for (;;) {
    Result<std::optional<tables::MatchList::Walk::Question>> next =
        walk.next();
    if (!next) co_return next.trouble();
    if (!*next) co_return walk.matched();
    ipc::TableFind question;
    question.maps = (*next)->table;
    question.keys.push_back((*next)->key);
    Result<ipc::TableAnswer> found =
        co_await questions->find(std::move(question));
    if (!found) co_return found.trouble();
    if (found->trouble.present) co_return found->trouble.trouble();
    walk.answer(found->found);
  }
}

Screen::Screen(Fd socket, access::Client client,
               std::shared_ptr<ScreenSettings> settings,
               ScreenQuestions& questions, ScreenRoom& room,
               const log::Log& log, const log::Log& dnsblog)
    : socket_(std::move(socket)),
      settings_(std::move(settings)),
      questions_(questions),
      room_(room),
      log_(log),
      dnsblog_(dnsblog) {
  screened_.client = std::move(client);
}

Task<Fd> Screen::run(std::int64_t connections) {
  const access::Client& client = screened_.client;
  log_.info("CONNECT from {} to [{}]:{}", screened_.shown(),
            client.server_address, client.server_port);
  Verdict verdict = co_await judge(connections);
  if (verdict == Verdict::over) co_return Fd();
  if (verdict == Verdict::pass) co_return std::move(socket_);
  room_.test_begins();
  verdict = co_await before_greeting();
  if (verdict == Verdict::go_on) {
    // So that it counts for the client's other connections at once.
    co_await keep();
    ScreenSession session(std::move(socket_), &screened_, settings_.get(),
                          questions_, log_);
    co_await session.run();
  }
  room_.test_ends();
  if (verdict == Verdict::over) co_return Fd();
  co_await conclude();
  if (verdict == Verdict::pass) co_return std::move(socket_);
  log_.info("DISCONNECT {}", screened_.shown());
  co_return Fd();
}

// What is decided at once.
Task<Screen::Verdict> Screen::judge(std::int64_t connections) {
  const auto reject = [this](const char* why) {
    log_.info("NOQUEUE: reject: CONNECT from {}: {}", screened_.shown(), why);
  };
  const std::int64_t most = settings_->connection_count_limit;
  if (most > 0 && connections > most) {
    reject("too many connections");
    co_return co_await dismiss("421 4.7.0 Error: too many connections");
  }
  if (questions_.full()) {
    reject("all server ports busy");
    co_return co_await dismiss("421 4.3.2 All server ports are busy");
  }
  Verdict verdict = co_await permanent_list();
  if (verdict != Verdict::go_on) co_return verdict;
  verdict = co_await temporary_list();
  if (verdict != Verdict::go_on) co_return verdict;
  co_await veto();
  const std::int64_t room = settings_->pre_queue_limit;
  if (room > 0 && room_.testing() >= room) {
    reject("all screening ports busy");
    co_return co_await dismiss("421 4.3.2 All screening ports are busy");
  }
  co_return Verdict::go_on;
}

Task<Screen::Verdict> Screen::permanent_list() {
  const std::vector<ScreenRule>* rules = &settings_->rules;
  Verdict verdict = co_await walk(rules, "");
  if (verdict == Verdict::pass) {
    log_.info("{}LISTED {}", list_name(true), screened_.shown());
  }
  co_return verdict;
}

// respectful_logging. That the old words are used by default is told once.
const char* Screen::list_name(bool allow) {
  if (!settings_->respectful && settings_->respectful_by_default)
    log_.info("using backwards-compatible default setting "
              "respectful_logging=no for client {}", screened_.shown());
  settings_->respectful_by_default = false;
  if (settings_->respectful) return allow ? "ALLOW" : "DENY";
  return allow ? "WHITE" : "BLACK";
}

// `table`: whose answer this is; "" is postscreen_access_list itself.
Task<Screen::Verdict> Screen::walk(const std::vector<ScreenRule>* rules,
                                   std::string table) {
  using What = ScreenRule::What;
  const std::string address = screened_.client.address;
  for (std::size_t i = 0; i < rules->size(); ++i) {
    const ScreenRule rule = (*rules)[i];
    if (rule.what == What::permit) co_return Verdict::pass;
    if (rule.what == What::reject) {
      co_return co_await denied();
    }
    if (rule.what == What::dunno) break;
    if (rule.what == What::own_networks) {
      tables::MatchList* own = &settings_->mynetworks;
      Result<bool> matched =
          co_await list_matches(own, "", address, &questions_);
      if (matched && *matched) co_return Verdict::pass;
      if (!matched) log_.warning("mynetworks: {}", matched.trouble().text);
      continue;
    }
    if (rule.what == What::unknown) {
      log_.warning("{}: unknown command: {} -- ignoring the remainder of this "
                   "access list",
                   table.empty() ? "postscreen_access_list" : table,
                   printable(rule.text));
      break;
    }
    ipc::TableFind question;
    question.maps = rule.text;
    question.keys.push_back(address);
    Result<ipc::TableAnswer> found =
        co_await questions_.find(std::move(question));
    if (!found || found->trouble.present) {
      log_.warning("{}: table lookup error -- ignoring the remainder of this "
                   "access list", rule.text);
      break;
    }
    if (!found->found) continue;
    const std::vector<ScreenRule> inner =
        parse_screen_rules(found->value, true);
    const Verdict verdict = co_await walk(&inner, rule.text);
    if (verdict != Verdict::go_on || screened_.failed) co_return verdict;
  }
  co_return Verdict::go_on;
}

Task<Screen::Verdict> Screen::denied() {
  log_.info("{}LISTED {}", list_name(false), screened_.shown());
  if (settings_->denylist == ScreenAction::drop) {
    co_return co_await dismiss("521 5.3.2 Service currently unavailable");
  }
  screened_.fail();
  if (settings_->denylist == ScreenAction::enforce)
    screened_.refusal = "550 5.3.2 Service currently unavailable";
  co_return Verdict::go_on;
}

// Who is on the permanent list is not looked up.
Task<Screen::Verdict> Screen::temporary_list() {
  std::optional<access::Record> known;
  if (!screened_.failed) {
    Result<ipc::ScreenAnswer> answer =
        co_await questions_.remembered(screened_.client.address);
    if (!answer)
      log_.warning("the temporary allow list: {}", answer.trouble().text);
    else if (!answer->line.empty())
      known = access::Record::from_line(answer->line);
  }
  if (known) screened_.record = *known;
  screened_.is_new = !known || known->is_new();
  screened_.due =
      screened_.record.due(settings_->enabled, questions_.now());
  if (!known || !screened_.due.none()) co_return Verdict::go_on;
  log_.info("PASS OLD {}", screened_.shown());
  co_return Verdict::pass;
}

// Backup MX addresses: who comes there only gets on no list.
Task<void> Screen::veto() {
  tables::MatchList* list = &settings_->allowlist_interfaces;
  Result<bool> allowed = co_await list_matches(
      list, "", screened_.client.server_address, &questions_);
  if (!allowed)
    log_.warning("postscreen_allowlist_interfaces: {}",
                 allowed.trouble().text);
  if (allowed && *allowed) co_return;
  screened_.vetoed = true;
  log_.info("{}LIST VETO {}", list_name(true), screened_.shown());
}

// --- before the greeting ---

// While we wait for the client to speak too early, and for name servers.
struct Screen::Early {
  std::vector<std::string> domains;  // still to answer
  Ranking ranking;
  bool complete = true;  // all lists have answered
  Promised<Event>* next = nullptr;
  bool spoke = false;
  bool to_the_end = false;  // the whole time was waited
  Nursery asking;  // goes first
};

Task<Screen::Verdict> Screen::before_greeting() {
  since_ = Clock::now();
  if (screened_.due.early()) {
    Early early;
    if (screened_.due.has(Trial::greet)) {
      co_await tease();
    }
    if (screened_.due.has(Trial::dnsbl)) ask_lists(&early);
    const Verdict watched = co_await watch(&early);
    if (watched != Verdict::pass) {
      if (watched == Verdict::go_on) {
        co_await conclude();
        log_.info("DISCONNECT {}", screened_.shown());
      }
      co_return Verdict::over;
    }
    if (screened_.due.has(Trial::greet) && !early.spoke && early.to_the_end)
      screened_.pass(Trial::greet,
                     questions_.now() + settings_->greet_ttl);
    if (screened_.due.has(Trial::dnsbl)) {
      const Verdict listed = co_await judge_lists(&early);
      if (listed == Verdict::over) co_return listed;
    }
  }
  const bool talk = screened_.due.deep() || screened_.vetoed ||
                    !screened_.refusal.empty();
  co_return talk ? Verdict::go_on : Verdict::pass;
}

// So that who does not read to the end of a greeting speaks too early.
Task<void> Screen::tease() {
  if (settings_->greeting.empty()) co_return;
  screened_.teased = true;
  send_all(socket_.get(), "220-" + settings_->greeting + "\r\n");
}

// pass: the time is over, or nothing is left to wait for. go_on: the client
// has gone. over: it was dismissed.
Task<Screen::Verdict> Screen::watch(Early* early) {
  const Clock::time_point end = Clock::now() + settings_->greet_wait;
  const bool listens = screened_.due.has(Trial::greet);
  for (;;) {
    const bool waits_for_lists = !early->domains.empty();
    const bool welcome =
        settings_->allowlist_threshold < 0 && !screened_.failed &&
        early->ranking.score <= settings_->allowlist_threshold;
    if (!waits_for_lists && (!listens || early->spoke || welcome)) break;
    const auto left =
        std::chrono::duration_cast<Millis>(end - Clock::now());
    early->to_the_end = left <= Millis(0);
    if (early->to_the_end) break;
    Promised<Event> next;
    early->next = &next;
    std::optional<Watch> watch;
    if (!early->spoke)
      watch.emplace(socket_.get(), Watch::read, false,
                    [&next](short) { next.set(Event::spoke); });
    const bool happened = co_await next.wait(left);
    early->next = nullptr;
    watch.reset();
    if (!happened || next.take() == Event::answered) continue;
    char buffer[1024];
    const ssize_t size =
        ::recv(socket_.get(), buffer, sizeof buffer, MSG_PEEK);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size <= 0) co_return client_gone();
    early->spoke = true;
    if (!listens) continue;
    const Verdict verdict = co_await spoke_early(
        std::string(buffer, static_cast<std::size_t>(size)));
    if (verdict == Verdict::over) co_return verdict;
  }
  early->complete = early->domains.empty();
  co_return Verdict::pass;
}

Screen::Verdict Screen::client_gone() {
  log_.info("HANGUP after {} from {} in tests before SMTP handshake",
            short_time(Clock::now() - since_), screened_.shown());
  socket_.reset();
  return Verdict::go_on;
}

Task<Screen::Verdict> Screen::spoke_early(std::string text) {
  log_.info("PREGREET {} after {} from {}: {}", text.size(),
            short_time(Clock::now() - since_), screened_.shown(),
            escaped(std::string_view(text).substr(0, most_shown)));
  screened_.fail();
  if (settings_->greet == ScreenAction::drop) {
    co_return co_await dismiss("521 5.5.1 Protocol error");
  }
  screened_.hasty = settings_->greet == ScreenAction::enforce;
  if (screened_.hasty) screened_.refusal = "550 5.5.1 Protocol error";
  co_return Verdict::go_on;
}

void Screen::ask_lists(Early* early) {
  const std::string address = reversed(screened_.client.address);
  if (address.empty()) return;
  early->domains = domains_of(settings_->sites);
  const std::vector<std::string> all = early->domains;
  for (const std::string& domain : all)
    early->asking.start(ask_list(early, domain, address + "." + domain));
}

Task<void> Screen::ask_list(Early* early, std::string domain,
                            std::string name) {
  const Millis limit = settings_->dnsbl_timeout;
  ipc::DnsListAnswer answer = co_await questions_.list(name, limit);
  if (answer.status == "servfail" || answer.status == "timeout") {
    dnsblog_.warning("dnsblog_query: lookup error for DNS query {}: {}", name,
                     answer.text);
    early->complete = false;
  } else {
    for (const std::string& record : answer.records)
      dnsblog_.info("addr {} listed by domain {} as {}",
                    screened_.client.address, domain, record);
    count_answer(settings_->sites, domain, answer.records, answer.ttl,
                 &early->ranking);
  }
  std::erase(early->domains, domain);
  if (early->next != nullptr) early->next->set(Event::answered);
}

Task<Screen::Verdict> Screen::judge_lists(const Early* early) {
  const Ranking& ranking = early->ranking;
  const std::int64_t lifetime = access::dnsbl_lifetime(
      early->complete ? ranking.ttl : std::optional<std::int64_t>(0),
      settings_->dnsbl_min_ttl, settings_->dnsbl_max_ttl);
  if (ranking.score < settings_->dnsbl_threshold) {
    const std::int64_t end = questions_.now() + lifetime;
    screened_.pass(Trial::dnsbl, end);
    if (settings_->allowlist_threshold >= 0 || screened_.failed ||
        ranking.score > settings_->allowlist_threshold)
      co_return Verdict::go_on;
    screened_.record.pass_all(end);
    for (const Trial trial : all_trials) screened_.passed.set(trial);
    for (const Trial trial : all_trials)
      screened_.due.set(trial, screened_.due.has(trial) &&
                                   trial == Trial::dnsbl);
    co_return Verdict::go_on;
  }
  log_.info("DNSBL rank {} for {}", ranking.score, screened_.shown());
  screened_.fail();
  if (settings_->dnsbl == ScreenAction::ignore) co_return Verdict::go_on;
  std::string shown = ranking.blamed;
  if (!settings_->dnsbl_reply_map.empty()) {
    ipc::TableFind question;
    question.maps = settings_->dnsbl_reply_map;
    question.keys.push_back(shown);
    Result<ipc::TableAnswer> found =
        co_await questions_.find(std::move(question));
    if (found && found->found) shown = found->value;
  }
  const std::string text =
      fmt::format("5.7.1 Service unavailable; client [{}] blocked using {}",
                  screened_.client.address, shown);
  if (settings_->dnsbl == ScreenAction::drop) {
    co_return co_await dismiss("521 " + text);
  }
  screened_.refusal = "550 " + text;
  co_return Verdict::go_on;
}

// --- the end ---

// Who has passed everything is told of; what was passed counts from now on,
// also where something is left to pass.
Task<void> Screen::conclude() {
  if (screened_.vetoed || !screened_.refusal.empty()) co_return;
  bool all = !screened_.failed;
  for (const Trial trial : all_trials)
    if (screened_.due.has(trial) && !screened_.passed.has(trial)) all = false;
  if (all)
    log_.info("PASS {} {}", screened_.is_new ? "NEW" : "OLD",
              screened_.shown());
  co_await keep();
}

Task<void> Screen::keep() {
  if (screened_.vetoed || !screened_.refusal.empty() ||
      screened_.passed.none())
    co_return;
  Result<ipc::ScreenAnswer> kept = co_await questions_.remember(
      screened_.client.address, screened_.record.line());
  if (!kept)
    log_.warning("the temporary allow list: {}", kept.trouble().text);
}

// Says why, and hangs up.
Task<Screen::Verdict> Screen::dismiss(std::string reply) {
  std::string text = co_await finished_reply(
      &screened_, settings_.get(), &questions_, &log_, std::move(reply));
  send_all(socket_.get(), access::wire_form(text));
  log_.info("DISCONNECT {}", screened_.shown());
  co_await close();
  co_return Verdict::over;
}

// What the client has still sent is taken in, so that its system does not drop
// our reply.
Task<void> Screen::close() {
  ::shutdown(socket_.get(), SHUT_WR);
  char buffer[4096];
  for (int i = 0; i < most_leaving_reads; ++i) {
    const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) break;
    if (size > 0) continue;
    Promised<bool> readable;
    const Watch watch(socket_.get(), Watch::read, false,
                      [&readable](short) { readable.set(true); });
    const bool in_time = co_await readable.wait(leaving_limit);
    if (!in_time) break;
  }
  socket_.reset();
}

}  // namespace postern::smtpd
