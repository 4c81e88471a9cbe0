// The screen in front of a session (postscreen(8), POSTSCREEN_README of
// Postfix): lists, then the tests before the greeting, then, where they are
// enabled or something speaks against the client, a conversation that takes no
// mail (screen_session.h). A client that may go on keeps its connection, from
// which nothing has been taken.
//
// Read screen.cc from the top. Decisions are in screen_lists.h, screen_rules.h
// and common/access/screen_record.h.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/access/client.h"
#include "common/access/questions.h"
#include "common/ipc/messages/screen.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/tls/context.h"
#include "smtpd/screen_room.h"
#include "smtpd/screen_settings.h"

namespace postern::smtpd {

// What the screen asks of others. The server (server.h) asks lookup; tests
// answer by themselves.
class ScreenQuestions {
 public:
  virtual ~ScreenQuestions() = default;
  virtual Task<Result<ipc::TableAnswer>> find(ipc::TableFind question) = 0;
  virtual Task<Result<ipc::ScreenAnswer>> remembered(std::string address) = 0;
  virtual Task<Result<ipc::ScreenAnswer>> remember(std::string address,
                                                   std::string line) = 0;
  virtual Task<ipc::DnsListAnswer> list(std::string name, Millis limit) = 0;
  // Seconds since 1970.
  virtual std::int64_t now() = 0;
  virtual std::shared_ptr<tls::ServerContext> tls() = 0;
  // Is there no place for one more that has passed?
  virtual bool full() = 0;
};

// What is known of a client while it is screened.
struct Screened {
  access::Client client;
  access::Record record;   // what it has passed, kept in the end
  access::Trials due;      // what it has to pass
  access::Trials passed;   // of those
  std::string refusal;     // enforced: the reply to each RCPT
  bool failed = false;     // some test, whatever the action
  bool vetoed = false;     // may not get on the temporary list here
  bool is_new = true;
  bool teased = false;     // the first line of the greeting is out
  bool hasty = false;      // spoke too early, and is refused for it

  std::string shown() const;  // "[192.0.2.1]:4711"
  void fail() { failed = true; }
  void pass(access::Trial trial, std::int64_t end);
};

// A reply as it goes out: softened, with the footer that the settings name.
Task<std::string> finished_reply(const Screened* screened,
                                 const ScreenSettings* settings,
                                 ScreenQuestions* questions,
                                 const log::Log* log, std::string reply);

// Does the list match? Trouble: it cannot say.
Task<Result<bool>> list_matches(tables::MatchList* list, std::string name,
                                std::string address,
                                ScreenQuestions* questions);

class Screen {
 public:
  // `room` counts the client from before until after. All must outlive this.
  Screen(Fd socket, access::Client client,
         std::shared_ptr<ScreenSettings> settings, ScreenQuestions& questions,
         ScreenRoom& room, const log::Log& log, const log::Log& dnsblog);
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // The connection for a session; an invalid one: the client is gone. Never
  // throws.
  Task<Fd> run(std::int64_t connections);

 private:
  enum class Verdict { go_on, pass, over };
  enum class Event { spoke, gone, answered };
  struct Early;

  Task<Verdict> judge(std::int64_t connections);
  Task<Verdict> permanent_list();
  Task<Verdict> walk(const std::vector<ScreenRule>* rules, std::string table);
  const char* list_name(bool allow);
  Task<Verdict> denied();
  Task<Verdict> temporary_list();
  Task<void> veto();

  Task<Verdict> before_greeting();
  Task<void> tease();
  Task<Verdict> watch(Early* early);
  Verdict client_gone();
  Task<Verdict> spoke_early(std::string text);
  void ask_lists(Early* early);
  Task<void> ask_list(Early* early, std::string domain, std::string name);
  Task<Verdict> judge_lists(const Early* early);

  Task<void> keep();
  Task<void> conclude();
  Task<Verdict> dismiss(std::string reply);
  Task<void> close();

  Fd socket_;
  std::shared_ptr<ScreenSettings> settings_;
  ScreenQuestions& questions_;
  ScreenRoom& room_;
  const log::Log& log_;
  const log::Log& dnsblog_;
  Screened screened_;
  Clock::time_point since_{};  // the beginning of the tests
};

// "0.07", "1.2", "30": for log lines.
std::string short_time(std::chrono::duration<double> time);

}  // namespace postern::smtpd
