// The conversation of the screen with a client that may not go on to a session,
// or that has to show how it speaks first: SMTP as far as RCPT, which is always
// refused, for now or for good. What was tried is told in the log.
// POSTSCREEN_README of Postfix, "Tests after the 220 SMTP server greeting".
#pragma once

#include <string>

#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/loop/task.h"
#include "smtpd/command_line.h"
#include "smtpd/screen.h"

namespace postern::smtpd {

class ScreenSession {
 public:
  // All must outlive this.
  ScreenSession(Fd socket, Screened* screened, ScreenSettings* settings,
                ScreenQuestions& questions, const log::Log& log);
  ScreenSession(const ScreenSession&) = delete;
  ScreenSession& operator=(const ScreenSession&) = delete;

  // To the end; the connection goes with this. Never throws.
  Task<void> run();

 private:
  struct Test {
    access::Trial trial;
    ScreenAction action;
    std::string refusal;  // with `drop`: the last words
  };

  Task<void> converse();
  Task<std::string> read_line();
  Task<void> bare_newline(std::string line);
  Task<std::string> filtered(std::string line);
  Task<bool> is_foreign(std::string line);
  Task<bool> pipelined(std::string line);
  Task<void> obey(std::string line);
  Task<void> obey_other(std::string verb, CommandLine line);
  Task<void> hello(bool extended, CommandLine line);
  Task<void> announce();
  Task<void> starttls(CommandLine line);
  Task<void> mail(CommandLine line);
  Task<void> rcpt(CommandLine line);
  Task<void> vrfy(CommandLine line);
  Task<void> etrn(CommandLine line);
  Task<void> content(bool chunked);
  Task<void> failed(const Test* test);
  void settle_tests();
  Task<void> reply(std::string text);
  Task<void> last_words(std::string text);
  Task<unsigned> discarded_keywords();
  std::string refusal() const;

  Stream stream_;
  Screened* screened_;
  ScreenSettings* settings_;
  ScreenQuestions& questions_;
  const log::Log& log_;
  Clock::time_point start_;
  std::string where_ = "CONNECT";  // the last command
  std::string helo_, sender_, protocol_ = "SMTP";
  bool greeted_ = false, in_mail_ = false, encrypted_ = false;
  bool closing_ = false;
  bool bare_ = false;  // the last line ended in LF alone
  access::Trials caught_;  // tests that were failed here
  std::int64_t commands_ = 0;
};

// The address in "FROM:<a@b> SIZE=1", as it stands there; nullopt: none.
std::optional<std::string> screened_address(std::string_view arguments);

}  // namespace postern::smtpd
