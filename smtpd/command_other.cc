// RSET, NOOP, VRFY, ETRN, QUIT (RFC 5321 section 4.1.1, RFC 1985).
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "smtpd/session.h"

namespace postern::smtpd {

Task<bool> Session::rset(CommandLine line) {
  if (!line.bare()) {
    co_return co_await refuse(Fault::protocol, "501 5.5.4 Syntax: RSET");
  }
  reset_transaction();
  co_await reply("250 2.0.0 Ok");
  co_return true;
}

Task<bool> Session::noop() {
  co_await reply("250 2.0.0 Ok");
  co_return true;
}

Task<bool> Session::quit() {
  closing_ = true;
  co_await reply("221 2.0.0 Bye");
  co_return true;
}

// Says 252: whether mail will arrive is known when it did. Judged as RCPT
// would be, so that it tells no more than RCPT does.
Task<bool> Session::vrfy(CommandLine line) {
  if (settings_->disable_vrfy) {
    co_return co_await refuse(Fault::protocol,
                              "502 5.5.1 VRFY command is disabled");
  }
  const bool utf8 = settings_->smtputf8 && keeps(keyword_smtputf8);
  if (utf8 && !line.bare() &&
      equal_nocase(line.words.back(), "SMTPUTF8"))
    line.words.pop_back();
  if (line.bare()) {
    std::string syntax = "501 5.5.4 Syntax: VRFY address";
    if (utf8) syntax += " [SMTPUTF8]";
    co_return co_await refuse(Fault::protocol, std::move(syntax));
  }
  const std::string given = join(line.words, " ");
  const std::optional<std::string> address = parse_address(given, false, false);
  if (!address) {
    warn_of_syntax(given);
    co_return co_await refuse(Fault::protocol,
                              "501 5.1.3 Bad recipient address syntax");
  }
  Refusal refused = co_await judge_recipient(*address);
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  co_await reply("252 2.0.0 " + given);
  co_return true;
}

Task<bool> Session::etrn(CommandLine line) {
  if (settings_->helo_required && !facts_.helo) {
    co_return co_await refuse(Fault::protocol,
                              "503 Error: send HELO/EHLO first");
  }
  if (in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 Error: MAIL transaction in progress");
  }
  if (line.words.size() != 1) {
    co_return co_await refuse(Fault::protocol, "500 Syntax: ETRN domain");
  }
  std::string site = line.words[0];
  if (site[0] == '@' || site[0] == '#') site.erase(0, 1);
  if (!mail::valid_hostname(site) && !mail::valid_literal(site)) {
    co_return co_await refuse(Fault::protocol,
                              "501 Error: invalid parameter syntax");
  }
  Refusal refused = co_await access_.etrn(site);
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  Result<ipc::FlushAnswer> answer = co_await surroundings_.flush(site);
  if (answer && answer->status == "ok") {
    co_await reply("250 Queuing started");
    co_return true;
  }
  const std::string& shown = facts_.client.shown();
  if (answer && answer->status == "deny") {
    log_.warning("reject: ETRN {:.100}... from {}", site, shown);
    co_await reply(fmt::format("459 <{}>: service unavailable", site));
    co_return false;
  }
  if (answer)
    log_.warning("bad ETRN {:.100}... from {}", site, shown);
  else
    log_.warning("unable to talk to fast flush service: {}",
                 answer.trouble().text);
  co_await reply("458 Unable to queue messages");
  co_return false;
}

}  // namespace postern::smtpd
