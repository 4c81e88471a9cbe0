#include "smtpd/screen_session.h"

#include <fmt/format.h>

#include "common/access/replies.h"
#include "common/base/text.h"
#include "common/tls/handshake.h"
#include "smtpd/commands.h"
#include "smtpd/proxy_reader.h"
#include "smtpd/settings.h"

namespace postern::smtpd {

using access::Trial;

namespace {

constexpr Millis farewell_limit = Seconds(10);
constexpr std::size_t most_shown = 100;

constexpr const char* protocol_error = "5.5.1 Protocol error";
constexpr const char* not_now = "450 4.3.2 Service currently unavailable";

// Between the brackets and quotes of an address, in one line of the log.
std::string in_log(const std::string& text) {
  return printable_utf8(text.substr(0, 512));
}

}  // namespace

std::optional<std::string> screened_address(std::string_view arguments) {
  const std::size_t colon = arguments.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view rest = trim_left(arguments.substr(colon + 1));
  if (rest.empty()) return std::nullopt;
  if (rest[0] != '<')
    return std::string(rest.substr(0, rest.find_first_of(" \t")));
  const std::size_t end = rest.find('>');
  return std::string(rest.substr(1, end == std::string_view::npos
                                        ? end
                                        : end - 1));
}

ScreenSession::ScreenSession(Fd socket, Screened* screened,
                             ScreenSettings* settings,
                             ScreenQuestions& questions, const log::Log& log)
    : stream_(std::move(socket)),
      screened_(screened),
      settings_(settings),
      questions_(questions),
      log_(log),
      start_(Clock::now()) {}

Task<void> ScreenSession::run() {
  std::optional<Hangup> hangup;
  try {
    co_await converse();
  } catch (const Hangup& why) {
    hangup = why;
  }
  if (hangup && hangup->why == Hangup::Why::timed_out) {
    log_.info("COMMAND TIME LIMIT from {} after {}", screened_->shown(),
              where_);
    std::string text = co_await finished_reply(
        screened_, settings_, &questions_, &log_,
        fmt::format("421 4.4.2 {} Error: timeout exceeded",
                    settings_->myhostname));
    stream_.put(access::wire_form(text));
    stream_.push();
  } else if (hangup) {
    log_.info("HANGUP after {} from {} in tests after SMTP handshake",
              short_time(Clock::now() - start_), screened_->shown());
  }
  drop_input(stream_.fd());
  stream_.shut();
}

Task<void> ScreenSession::converse() {
  // Who spoke too early has its answer at once, as from Postfix.
  if (!screened_->hasty) {
    co_await reply("220 " + settings_->banner);
  }
  while (!closing_) {
    std::string line = co_await read_line();
    if (closing_) co_return;
    if (bare_) {
      co_await bare_newline(line);
      if (closing_) co_return;
    }
    line = co_await filtered(std::move(line));
    const bool foreign = co_await is_foreign(line);
    if (foreign) continue;
    if (++commands_ > settings_->command_count_limit) {
      log_.info("COMMAND COUNT LIMIT from {} after {}", screened_->shown(),
                where_);
      co_await last_words(fmt::format(
          "421 {} Service unavailable - try again later",
          settings_->myhostname));
      co_return;
    }
    const bool early = co_await pipelined(line);
    if (early && closing_) co_return;
    co_await obey(std::move(line));
  }
  co_await stream_.flush(farewell_limit);
}

// A line without its end, of a whole command in the time for one.
Task<std::string> ScreenSession::read_line() {
  const auto most = static_cast<std::size_t>(settings_->line_limit);
  const Clock::time_point end = Clock::now() + settings_->command_limit;
  for (;;) {
    const std::string_view input = stream_.buffered();
    const std::size_t newline = input.substr(0, most).find('\n');
    if (newline != std::string_view::npos) {
      std::string line(input.substr(0, newline));
      stream_.consume(newline + 1);
      bare_ = !line.ends_with('\r');
      if (!bare_) line.pop_back();
      co_return line;
    }
    if (input.size() >= most) {
      log_.info("COMMAND LENGTH LIMIT from {} after {}", screened_->shown(),
                where_);
      co_await last_words(fmt::format(
          "421 {} Service unavailable - try again later",
          settings_->myhostname));
      co_return std::string();
    }
    const auto left =
        std::chrono::duration_cast<Millis>(end - Clock::now());
    if (stream_.unsent() > 0) {
      co_await stream_.flush(std::max(left, Millis(0)));
    }
    co_await stream_.fill(std::max(left, Millis(0)));
  }
}

// --- the tests ---

// Counts once; the client hears of it as the action says.
Task<void> ScreenSession::failed(const Test* test) {
  caught_.set(test->trial);
  if (test->action == ScreenAction::ignore) co_return;
  screened_->fail();
  screened_->refusal = std::string("550 ") + protocol_error;
  if (test->action == ScreenAction::drop) {
    co_await last_words(test->refusal);
  }
}

Task<void> ScreenSession::bare_newline(std::string line) {
  if (caught_.has(Trial::bare_newline)) co_return;
  log_.info("BARE NEWLINE from {} after {}", screened_->shown(),
            escaped(std::string_view(line).substr(0, most_shown)));
  const Test test{Trial::bare_newline, settings_->bare_newline,
                  std::string("521 ") + protocol_error};
  co_await failed(&test);
}

// True: no command of SMTP, which is answered.
Task<bool> ScreenSession::is_foreign(std::string line) {
  const std::string verb = parse_command_line(line).verb;
  if (find_command(verb).verb != Verb::unknown) co_return false;
  tables::MatchList* list = &settings_->forbidden_commands;
  Result<bool> listed = co_await list_matches(list, verb, "", &questions_);
  if (!listed)
    log_.warning("postscreen_forbidden_commands: {}", listed.trouble().text);
  const bool forbidden =
      (listed && *listed) || looks_like_header(verb);
  if (!forbidden || caught_.has(Trial::non_smtp)) co_return false;
  log_.info("NON-SMTP COMMAND from {} after {}: {}", screened_->shown(),
            where_, escaped(std::string_view(line).substr(0, most_shown)));
  const Test test{Trial::non_smtp, settings_->non_smtp,
                  "521 5.7.0 Error: I can break rules, too. Goodbye."};
  co_await failed(&test);
  co_return closing_;
}

// More has come behind a command, although PIPELINING was not announced.
Task<bool> ScreenSession::pipelined(std::string line) {
  if (caught_.has(Trial::pipelining)) co_return false;
  if (stream_.buffered().empty() && !stream_.poll()) co_return false;
  const std::string verb = to_upper(parse_command_line(line).verb);
  log_.info("COMMAND PIPELINING from {} after {}: {}", screened_->shown(),
            printable(verb),
            escaped(stream_.buffered().substr(0, most_shown)));
  const Test test{Trial::pipelining, settings_->pipelining,
                  std::string("521 ") + protocol_error};
  co_await failed(&test);
  co_return true;
}

// Who has come as far as RCPT has shown how it speaks. With the action "ignore"
// a failed test is not repeated soon.
void ScreenSession::settle_tests() {
  if (screened_->failed && !screened_->refusal.empty()) return;
  const struct {
    Trial trial;
    std::int64_t lifetime;
  } deep[] = {{Trial::pipelining, settings_->pipelining_ttl},
              {Trial::non_smtp, settings_->non_smtp_ttl},
              {Trial::bare_newline, settings_->bare_newline_ttl}};
  for (const auto& each : deep)
    if (screened_->due.has(each.trial) && !screened_->passed.has(each.trial))
      screened_->pass(each.trial, questions_.now() + each.lifetime);
}

// --- commands ---

// postscreen_command_filter.
Task<std::string> ScreenSession::filtered(std::string line) {
  if (settings_->command_filter.empty()) co_return line;
  ipc::TableFind question;
  question.maps = settings_->command_filter;
  question.keys.push_back(line);
  Result<ipc::TableAnswer> found =
      co_await questions_.find(std::move(question));
  if (!found || found->trouble.present) {
    log_.warning("{}: table lookup error -- the command of {} is not changed",
                 settings_->command_filter, screened_->shown());
    co_return line;
  }
  if (found->found) line = found->value;
  co_return line;
}

Task<void> ScreenSession::obey(std::string line) {
  CommandLine parsed = parse_command_line(line);
  const Command& command = find_command(parsed.verb);
  where_ = command.verb == Verb::unknown ? to_upper(printable(parsed.verb))
                                         : std::string(command.name);
  if (settings_->tls_required && !encrypted_ && !command.before_tls) {
    co_await reply("530 5.7.0 Must issue a STARTTLS command first");
    co_return;
  }
  switch (command.verb) {
    case Verb::helo: co_await hello(false, std::move(parsed)); break;
    case Verb::ehlo: co_await hello(true, std::move(parsed)); break;
    case Verb::starttls: co_await starttls(std::move(parsed)); break;
    case Verb::mail: co_await mail(std::move(parsed)); break;
    case Verb::rcpt: co_await rcpt(std::move(parsed)); break;
    case Verb::data: co_await content(false); break;
    case Verb::bdat: co_await content(true); break;
    case Verb::vrfy: co_await vrfy(std::move(parsed)); break;
    case Verb::etrn: co_await etrn(std::move(parsed)); break;
    case Verb::rset:
      in_mail_ = false;
      co_await reply("250 2.0.0 Ok");
      break;
    case Verb::noop: co_await reply("250 2.0.0 Ok"); break;
    case Verb::quit: co_await last_words("221 2.0.0 Bye"); break;
    default:
      co_await reply("502 5.5.2 Error: command not recognized");
  }
}

Task<void> ScreenSession::hello(bool extended, CommandLine line) {
  if (line.bare()) {
    co_await reply("501 Syntax: " + where_ + " hostname");
    co_return;
  }
  helo_ = harmless_name(join(line.words, " "));
  greeted_ = true;
  in_mail_ = false;
  protocol_ = extended ? "ESMTP" : "SMTP";
  if (extended) {
    co_await announce();
  } else {
    co_await reply("250 " + settings_->myhostname);
  }
}

// Neither PIPELINING, which is tested, nor AUTH, which needs a session.
Task<void> ScreenSession::announce() {
  const unsigned discarded = co_await discarded_keywords();
  const auto keeps = [&](Keyword keyword) {
    return (discarded & keyword) == 0;
  };
  std::vector<std::string> lines{settings_->myhostname};
  if (keeps(keyword_size))
    lines.push_back(settings_->message_size_limit > 0
                        ? fmt::format("SIZE {}", settings_->message_size_limit)
                        : "SIZE");
  if (keeps(keyword_vrfy) && !settings_->disable_vrfy) lines.push_back("VRFY");
  if (keeps(keyword_etrn)) lines.push_back("ETRN");
  if (keeps(keyword_starttls) && settings_->tls_offered && !encrypted_)
    lines.push_back("STARTTLS");
  if (keeps(keyword_enhancedstatuscodes))
    lines.push_back("ENHANCEDSTATUSCODES");
  if (keeps(keyword_8bitmime)) lines.push_back("8BITMIME");
  if (keeps(keyword_dsn)) lines.push_back("DSN");
  if (keeps(keyword_smtputf8) && settings_->smtputf8)
    lines.push_back("SMTPUTF8");
  if (keeps(keyword_chunking)) lines.push_back("CHUNKING");
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += (i == 0 ? "250" : "\n250") +
            std::string(i + 1 < lines.size() ? "-" : " ") + lines[i];
  co_await reply(std::move(text));
}

Task<unsigned> ScreenSession::discarded_keywords() {
  if (settings_->discard_maps.empty())
    co_return settings_->discarded_keywords;
  ipc::TableFind question;
  question.maps = settings_->discard_maps;
  question.keys.push_back(screened_->client.address);
  Result<ipc::TableAnswer> found =
      co_await questions_.find(std::move(question));
  if (!found || found->trouble.present || !found->found)
    co_return settings_->discarded_keywords;
  co_return parse_keywords(found->value, nullptr);
}

// RFC 3207; see Session::starttls.
Task<void> ScreenSession::starttls(CommandLine line) {
  if (!line.bare()) {
    co_await reply("501 5.5.4 Syntax: STARTTLS");
    co_return;
  }
  if (encrypted_) {
    co_await reply("554 5.5.1 Error: TLS already active");
    co_return;
  }
  if (!settings_->tls_offered) {
    co_await reply("502 5.5.1 Error: command not implemented");
    co_return;
  }
  std::shared_ptr<tls::ServerContext> context = questions_.tls();
  bool available = context != nullptr;
  if (available) {
    Status ready = co_await context->prepare();
    available = ready.ok();
  }
  if (!available) {
    co_await reply("454 4.7.0 TLS not available due to local problem");
    co_return;
  }
  // What was sent before we are ready was sent in the clear.
  stream_.poll();
  stream_.consume(stream_.buffered().size());
  co_await reply("220 2.0.0 Ready to start TLS");
  co_await stream_.flush(settings_->command_limit);
  const Millis limit = context->settings().handshake_limit;
  Result<tls::Facts> made = co_await tls::accept(
      &stream_, std::move(context), screened_->shown(), limit);
  if (!made) throw Hangup{Hangup::Why::closed, 0};
  encrypted_ = true;
  greeted_ = in_mail_ = false;
  helo_.clear();
  protocol_ = "SMTP";
}

Task<void> ScreenSession::mail(CommandLine line) {
  if (settings_->helo_required && !greeted_) {
    co_await reply("503 5.5.1 Error: send HELO/EHLO first");
    co_return;
  }
  if (in_mail_) {
    co_await reply("503 5.5.1 Error: nested MAIL command");
    co_return;
  }
  std::optional<std::string> address = screened_address(line.rest);
  if (!address) {
    co_await reply("501 5.5.4 Syntax: MAIL FROM:<address>");
    co_return;
  }
  sender_ = std::move(*address);
  in_mail_ = true;
  co_await reply("250 2.1.0 Ok");
}

std::string ScreenSession::refusal() const {
  return screened_->refusal.empty() ? not_now : screened_->refusal;
}

Task<void> ScreenSession::rcpt(CommandLine line) {
  settle_tests();
  if (!in_mail_) {
    co_await reply("503 5.5.1 Error: need MAIL command");
    co_return;
  }
  const std::optional<std::string> address = screened_address(line.rest);
  if (!address) {
    co_await reply("501 5.5.4 Syntax: RCPT TO:<address>");
    co_return;
  }
  std::string text = co_await finished_reply(screened_, settings_,
                                             &questions_, &log_, refusal());
  log_.info("NOQUEUE: reject: RCPT from {}: {}; from=<{}>, to=<{}>, "
            "proto={}, helo=<{}>",
            screened_->shown(), printable_utf8(text), in_log(sender_),
            in_log(*address), protocol_, in_log(helo_));
  stream_.put(access::wire_form(text));
}

Task<void> ScreenSession::vrfy(CommandLine line) {
  if (settings_->disable_vrfy) {
    co_await reply("502 5.5.1 VRFY command is disabled");
  } else if (line.bare()) {
    co_await reply("501 5.5.4 Syntax: VRFY address");
  } else {
    co_await reply(refusal());
  }
}

Task<void> ScreenSession::etrn(CommandLine line) {
  if (settings_->helo_required && !greeted_) {
    co_await reply("503 Error: send HELO/EHLO first");
  } else if (line.words.size() != 1) {
    co_await reply("500 Syntax: ETRN domain");
  } else {
    co_await reply("458 Unable to queue messages");
  }
}

// No recipient was accepted, so there is nothing to receive; who sends it all
// the same has not read our replies.
Task<void> ScreenSession::content(bool chunked) {
  log_.info("{} without valid RCPT from {}", chunked ? "BDAT" : "DATA",
            screened_->shown());
  if (in_mail_) {
    co_await last_words("554 5.5.1 Error: no valid recipients");
  } else if (chunked) {
    co_await last_words("554 5.5.1 Error: need MAIL command");
  } else {
    co_await last_words("503 5.5.1 Error: need RCPT command");
  }
}

Task<void> ScreenSession::reply(std::string text) {
  std::string whole = co_await finished_reply(
      screened_, settings_, &questions_, &log_, std::move(text));
  stream_.put(access::wire_form(whole));
}

Task<void> ScreenSession::last_words(std::string text) {
  closing_ = true;
  co_await reply(std::move(text));
  co_await stream_.flush(farewell_limit);
}

}  // namespace postern::smtpd
