#include "smtpd/session.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/access/replies.h"

namespace postern::smtpd {
namespace {

constexpr Millis farewell_limit = Seconds(10);
constexpr const char* lost_connection = "lost connection";

// RFC 5321 section 4.1.2 has no place for them, quoted or not; the next hop
// would take what is behind them for something else, or not at all.
constexpr std::string_view never_in_commands("\0\r", 2);

// As of a command that is not well-formed for other reasons.
std::string bad_characters(Verb verb) {
  switch (verb) {
    case Verb::mail: return "501 5.1.7 Bad sender address syntax";
    case Verb::rcpt: return "501 5.1.3 Bad recipient address syntax";
    // Nobody knows where the next command is.
    case Verb::bdat: return "521 5.5.4 Syntax: BDAT count [LAST]";
    default: return "500 5.5.2 Error: bad syntax";
  }
}

}  // namespace

Session::Session(Fd socket, Client client, std::shared_ptr<Settings> settings,
                 Surroundings& surroundings, const log::Log& log,
                 std::string service)
    : settings_(std::move(settings)),
      surroundings_(surroundings),
      log_(log),
      access_(log, facts_, surroundings),
      stream_(std::move(socket)) {
  facts_.client = std::move(client);
  facts_.client.log_port = settings_->client_port_logging;
  facts_.service = std::move(service);
  access_.use(settings_.get());
}

Task<void> Session::run() {
  std::optional<Hangup> hangup;
  try {
    co_await converse();
  } catch (const Hangup& why) {
    hangup = why;
  }
  if (hangup) farewell(*hangup);
  reset_transaction();
  if (!unlogged_end_) log_end();
  co_await leave();
}

Task<void> Session::converse() {
  co_await identify();
  do {
    restart_ = false;
    bool able = co_await admit();
    if (able) {
      able = co_await wrap();
    }
    if (able) {
      able = co_await reach_authentication();
    }
    if (able) {
      co_await greet();
      co_await serve();
    }
  } while (restart_);
  if (stream_.unsent() > 0) {
    co_await stream_.flush(farewell_limit);
  }
}

Task<void> Session::identify() {
  Client& client = facts_.client;
  if (settings_->peername_lookup && client.name == "unknown") {
    std::string address = client.address;
    ipc::ClientNameAnswer answer =
        co_await surroundings_.client_name(std::move(address));
    client.name = std::move(answer.name);
    client.reverse_name = std::move(answer.reverse_name);
    client.name_code = static_cast<char>('0' + answer.name_code);
    client.reverse_code = static_cast<char>('0' + answer.reverse_code);
    if (!answer.warning.empty()) log_.warning(std::string_view(answer.warning));
  }
  // By the connection, whoever XCLIENT says is behind it.
  local_rewriting_ = co_await access_.local_rewriting();
  may_xforward_ = co_await access_.in_list(&settings_->xforward_hosts);
  log_.info("connect from {}", client.shown());
}

// Which rights and limits this client has; false when it has too many
// connections. Runs again after XCLIENT, for whom that speaks.
Task<bool> Session::admit() {
  Settings* s = settings_.get();
  may_xclient_ = co_await access_.in_list(&s->xclient_hosts);
  may_verp_ = co_await access_.in_list(&s->verp_hosts);
  bare_newline_ = s->bare_newline;
  if (bare_newline_ != BareNewline::allow) {
    const bool spared = co_await access_.in_list(&s->bare_newline_exclusions);
    if (spared) bare_newline_ = BareNewline::allow;
  }
  discarded_ = co_await discarded_keywords();
  limits_apply_ = false;
  if (may_xclient_ || (s->connection_count_limit == 0 &&
                       s->connection_rate_limit == 0 &&
                       s->message_rate_limit == 0 &&
                       s->recipient_rate_limit == 0 &&
                       s->new_tls_session_rate_limit == 0 &&
                       s->sasl.rate_limit == 0))
    co_return true;
  const bool spared = co_await access_.in_list(&s->event_exceptions);
  if (spared) co_return true;
  limits_apply_ = true;
  if (counted_ ||
      (s->connection_count_limit == 0 && s->connection_rate_limit == 0))
    co_return true;
  Result<ipc::AnvilAnswer> seen =
      co_await surroundings_.count("connect", anvil_key());
  if (!seen) co_return true;
  counted_ = true;
  const bool many = s->connection_count_limit > 0 &&
                    seen->count > s->connection_count_limit;
  const bool fast =
      s->connection_rate_limit > 0 && seen->rate > s->connection_rate_limit;
  if (!many && !fast) co_return true;
  facts_.note(Fault::policy);
  log_.warning("Connection {} limit exceeded: {} from {} for service {}",
               many ? "concurrency" : "rate", many ? seen->count : seen->rate,
               facts_.client.shown(), facts_.service);
  co_await reply(fmt::format("421 4.7.0 {} Error: too many connections from {}",
                             s->myhostname, facts_.client.address));
  co_return false;
}

Task<void> Session::greet() {
  facts_.where = "CONNECT";
  denied_.clear();
  if (!settings_->delay_reject) {
    Refusal refused = co_await access_.client();
    if (refused) {
      denied_ = *refused;
      co_await reply(std::move(*refused));
      ++errors_;
      co_return;
    }
  }
  co_await reply("220 " + settings_->banner);
}

Task<void> Session::serve() {
  while (!closing_ && !restart_) {
    if (errors_ >= settings_->hard_limit) {
      ended_by_ = "too many errors";
      facts_.note(Fault::protocol);
      co_await reply(fmt::format("421 4.7.0 {} Error: too many errors",
                                 settings_->myhostname));
      co_return;
    }
    LineRead line = co_await read_line(settings_->line_limit, false);
    if (bare_command_ && bare_newline_ == BareNewline::reject) {
      co_await refuse_bare_line();
      co_return;
    }
    co_await obey(std::move(line.text));
  }
}

Task<void> Session::refuse_bare_line() {
  facts_.note(Fault::protocol);
  log_.info(std::string_view(
      event_line(facts_, "reject", "bare <LF> received")));
  closing_ = true;
  co_await reply(fmt::format("{} 5.5.2 {} Error: bare <LF> received",
                             settings_->bare_newline_code,
                             settings_->myhostname));
}

// One command line: filtered, looked up, judged for its place, executed,
// counted.
Task<void> Session::obey(std::string line) {
  // Some programs end a line with two.
  while (line.ends_with('\r')) line.pop_back();
  if (settings_->smtputf8 && !valid_utf8(line)) {
    co_await refuse(Fault::protocol, "500 5.5.2 Error: bad UTF-8 syntax");
    ++errors_;
    co_return;
  }
  std::string filtered = co_await filter_command(std::move(line));
  if (closing_) co_return;
  CommandLine parsed = parse_command_line(filtered);
  if (parsed.verb.empty()) {
    co_await refuse(Fault::protocol, "500 5.5.2 Error: bad syntax");
    ++errors_;
    co_return;
  }
  const bool ignored =
      co_await access_.matches(&settings_->noop_list, parsed.verb, "");
  if (ignored) {
    co_await reply("250 2.0.0 Ok");
    if (junk_++ > settings_->junk_limit) ++errors_;
    co_return;
  }
  const Command& command = find_command(parsed.verb);
  Count& count = counts_[static_cast<std::size_t>(command.verb)];
  ++count.all;
  const bool fit =
      filtered.find_first_of(never_in_commands) == std::string::npos;
  const bool in_place = co_await admissible(&command, std::move(filtered));
  if (!in_place) co_return;
  bool good = false;
  if (fit) {
    good = co_await dispatch(command.verb, std::move(parsed));
  } else {
    co_await refuse(Fault::protocol, bad_characters(command.verb));
  }
  if (good) ++count.good;
  else if (!restart_) ++errors_;
  if (command.junk && junk_++ > settings_->junk_limit) ++errors_;
}

// smtpd_command_filter.
Task<std::string> Session::filter_command(std::string line) {
  if (settings_->command_filter.empty()) co_return line;
  ipc::TableFind question;
  question.maps = settings_->command_filter;
  question.keys.emplace_back(trim_left(line));
  Result<ipc::TableAnswer> found =
      co_await surroundings_.find(std::move(question));
  if (!found || found->trouble.present) {
    log_.warning("{}: lookup error for \"{:.100}\"",
                 settings_->command_filter, line);
    closing_ = true;
    co_await refuse(Fault::data,
                    fmt::format("421 4.3.0 {} Server local data error",
                                settings_->myhostname));
    co_return line;
  }
  if (!found->found) co_return line;
  log_.info("{}: replacing client command \"{}\" with \"{}\"",
            facts_.client.shown(), line, found->value);
  co_return found->value;
}

// False: the command was answered here and is not executed.
Task<bool> Session::admissible(const Command* command, std::string line) {
  const bool unknown = command->verb == Verb::unknown;
  if (unknown) {
    facts_.where = command->name;
    const bool forbidden = co_await forbidden_command(line);
    if (forbidden) co_return false;
  }
  if (!denied_.empty() && command->verb != Verb::quit) {
    co_await reply(fmt::format("503 5.7.0 Error: access denied for {}",
                               facts_.client.shown()));
    ++errors_;
    co_return false;
  }
  if (unknown) {
    co_await refuse(Fault::protocol,
                    "500 5.5.2 Error: command not recognized");
    ++errors_;
    co_return false;
  }
  facts_.where = command->name;
  if (settings_->tls.required && !facts_.tls && !command->before_tls) {
    co_await reply("530 5.7.0 Must issue a STARTTLS command first");
    ++errors_;
    co_return false;
  }
  if (!talks_early(*command)) co_return true;
  log_.info("improper command pipelining after {} from {}: {}", command->name,
            facts_.client.shown(),
            escaped(stream_.buffered().substr(0, 100)));
  facts_.improper_pipelining = true;
  if (!settings_->forbid_unauth_pipelining) co_return true;
  closing_ = true;
  co_await reply("554 5.5.0 Error: SMTP protocol synchronization");
  co_return false;
}

// What is no mail client is not answered twice.
Task<bool> Session::forbidden_command(std::string line) {
  const std::string verb = parse_command_line(line).verb;
  const bool listed =
      co_await access_.matches(&settings_->forbidden_commands, verb, "");
  if (!listed && !looks_like_header(verb)) co_return false;
  log_.warning("non-SMTP command from {}: {:.100}", facts_.client.shown(),
               escaped(line));
  closing_ = true;
  co_await reply("221 2.7.0 Error: I can break rules, too. Goodbye.");
  co_return true;
}

// More has come behind a command that must be the last of its group, or from
// a client that was not told of PIPELINING (RFC 2920 section 3.1).
bool Session::talks_early(const Command& command) {
  if (facts_.improper_pipelining) return false;
  if (facts_.protocol == "ESMTP" && !command.last_of_group) return false;
  return !stream_.buffered().empty() || stream_.poll();
}

Task<bool> Session::dispatch(Verb verb, CommandLine line) {
  switch (verb) {
    case Verb::helo: co_return co_await helo(std::move(line));
    case Verb::ehlo: co_return co_await ehlo(std::move(line));
    case Verb::xclient: co_return co_await xclient(std::move(line));
    case Verb::xforward: co_return co_await xforward(std::move(line));
    case Verb::mail: co_return co_await mail(std::move(line));
    case Verb::rcpt: co_return co_await rcpt(std::move(line));
    case Verb::data: co_return co_await data(std::move(line));
    case Verb::bdat: co_return co_await bdat(std::move(line));
    case Verb::rset: co_return co_await rset(std::move(line));
    case Verb::noop: co_return co_await noop();
    case Verb::vrfy: co_return co_await vrfy(std::move(line));
    case Verb::etrn: co_return co_await etrn(std::move(line));
    case Verb::quit: co_return co_await quit();
    case Verb::auth: co_return co_await auth(std::move(line));
    case Verb::starttls: co_return co_await starttls(std::move(line));
    case Verb::unknown: break;
  }
  co_return co_await refuse(Fault::protocol,
                            "502 5.5.1 Error: command not implemented");
}

void Session::farewell(const Hangup& hangup) {
  const bool late = hangup.why == Hangup::Why::timed_out;
  ended_by_ = late ? "timeout" : lost_connection;
  if (!late) return;
  facts_.note(Fault::protocol);
  const std::string text = fmt::format("421 4.4.2 {} Error: timeout exceeded",
                                       settings_->myhostname);
  record("Out", text);
  stream_.put(wire_form(text));
  stream_.push();
}

void Session::log_end() {
  const std::string shown = facts_.client.shown();
  if (ended_by_ != nullptr && facts_.where == "DATA content")
    log_.info("{} after DATA ({} bytes) from {}", ended_by_, content_bytes_,
              shown);
  else if (ended_by_ != nullptr && facts_.where == "BDAT content")
    log_.info("{} after BDAT ({} bytes) from {}", ended_by_, content_bytes_,
              shown);
  // A client that hangs up when its message is taken has lost nothing.
  else if (ended_by_ != nullptr && (facts_.where != "END-OF-MESSAGE" ||
                                    std::string_view(ended_by_) !=
                                        lost_connection))
    log_.info("{} after {} from {}", ended_by_, facts_.where, shown);
  std::string line = "disconnect from " + shown;
  Count sum;
  for (const Command& command : commands) {
    const Count& count = counts_[static_cast<std::size_t>(command.verb)];
    if (count.all == 0) continue;
    line += fmt::format(" {}={}", command.count, count.good);
    if (count.good != count.all) line += fmt::format("/{}", count.all);
    sum.good += count.good;
    sum.all += count.all;
  }
  line += fmt::format(" commands={}", sum.good);
  if (sum.good != sum.all || sum.all == 0) line += fmt::format("/{}", sum.all);
  if (noted_bare_newline_) line += " notes=bare_lf";
  log_.info(std::string_view(line));
}

// The client is gone; others are still to be told.
Task<void> Session::leave() {
  const bool notice = (facts_.faults & settings_->notify_faults) != 0;
  if (counted_ || notice) stream_.shut();
  co_await uncount();
  if (notice) {
    co_await notify_postmaster();
  }
}

Task<void> Session::uncount() {
  if (!counted_) co_return;
  counted_ = false;
  Result<ipc::AnvilAnswer> told =
      co_await surroundings_.count("disconnect", anvil_key());
  if (!told) log_.warning("anvil: {}", told.trouble().text);
}

void Session::reset_transaction() {
  transaction_.reset();
  access_.reset_transaction();
  // XFORWARD speaks of one message.
  forwarded_.reset();
  forwarded_remote_ = -1;
  facts_.sender.reset();
  facts_.sasl_sender.clear();
  facts_.recipient.reset();
  facts_.recipients = 0;
  facts_.queue_id.clear();
  facts_.size = 0;
  facts_.instance.clear();
  chunk_state_ = Chunks::none;
}

}  // namespace postern::smtpd
