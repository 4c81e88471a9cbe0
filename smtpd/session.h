// One client, from its greeting to its end (RFC 5321). Read session.cc from
// the top, then the commands: command_hello.cc, command_mail.cc,
// command_rcpt.cc, command_data.cc, command_bdat.cc, command_starttls.cc,
// command_auth.cc, command_other.cc, command_proxy.cc (XCLIENT, XFORWARD).
//
// An idle session is this object, one stream without buffers and three
// coroutine frames; what a transaction needs is made with MAIL.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "common/access/access.h"
#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/loop/task.h"
#include "common/mail/path.h"
#include "common/mail/received.h"
#include "smtpd/command_line.h"
#include "smtpd/commands.h"
#include "smtpd/data_reader.h"
#include "common/access/facts.h"
#include "smtpd/settings.h"
#include "smtpd/submission.h"
#include "smtpd/surroundings.h"

namespace postern::smtpd {

class Session {
 public:
  // `settings` may be shared by all; `service` is the row's name.
  Session(Fd socket, Client client, std::shared_ptr<Settings> settings,
          Surroundings& surroundings, const log::Log& log,
          std::string service);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The whole conversation. Never throws.
  Task<void> run();

 private:
  // From MAIL to the end of its message.
  struct Transaction {
    std::int64_t arrival = 0;  // microseconds since 1970
    std::int64_t size_hint = 0;
    std::int64_t overshoot = 0;
    std::string body, envid, ret, verp;
    std::optional<std::string> auth;  // AUTH=, as given
    bool smtputf8 = false;
    std::unique_ptr<Submission> submission;  // from the first recipient on
    // BDAT: null before the first chunk.
    std::unique_ptr<DataReader> chunks;
    std::string chunk_rest;
    std::int64_t chunk_bytes = 0;
    bool too_big = false;
  };
  struct Count {
    std::uint32_t good = 0, all = 0;
  };
  struct LineRead {
    std::string text;
    bool cut = false;  // it was longer
  };
  enum class Chunks { none, open, failed };

  // --- the conversation, in order (session.cc) ---
  Task<void> converse();
  Task<void> identify();
  Task<bool> admit();
  Task<void> greet();
  Task<void> serve();
  Task<void> obey(std::string line);
  Task<std::string> filter_command(std::string line);
  Task<bool> admissible(const Command* command, std::string line);
  Task<bool> forbidden_command(std::string line);
  bool talks_early(const Command& command);
  Task<bool> dispatch(Verb verb, CommandLine line);
  void farewell(const Hangup& hangup);
  Task<void> leave();
  void log_end();

  // --- reading and writing (session_io.cc) ---
  // `secret`: not for the transcript.
  Task<LineRead> read_line(std::int64_t most, bool secret);
  Task<void> refuse_bare_line();
  Task<void> fill();
  Task<void> reply(std::string text);
  // Replies and counts the fault; gives false, for `co_return`.
  Task<bool> refuse(Fault fault, std::string text);
  Task<std::string> footer_for(std::string text);
  Result<std::string> add_footer(const std::string& text,
                                 const std::string& footer) const;
  void record(std::string_view direction, std::string_view text);
  void start_request();
  Task<void> notify_postmaster();

  // --- commands; true: it succeeded ---
  Task<bool> helo(CommandLine line);
  Task<bool> ehlo(CommandLine line);
  Task<bool> auth(CommandLine line);
  Task<bool> xclient(CommandLine line);
  Task<bool> xforward(CommandLine line);
  Task<bool> mail(CommandLine line);
  Task<bool> rcpt(CommandLine line);
  Task<bool> data(CommandLine line);
  Task<bool> bdat(CommandLine line);
  Task<bool> rset(CommandLine line);
  Task<bool> noop();
  Task<bool> vrfy(CommandLine line);
  Task<bool> etrn(CommandLine line);
  Task<bool> quit();
  Task<bool> starttls(CommandLine line);

  // --- TLS (command_starttls.cc) ---
  Task<bool> wrap();
  Task<bool> tls_available();
  Task<bool> too_many_tls_sessions();
  Task<void> start_tls();
  Task<void> count_tls_session();
  Task<void> require_certificate();

  // --- their parts ---
  Task<bool> greeted(std::string name);
  Task<unsigned> discarded_keywords();
  std::string ehlo_reply(const std::vector<std::string>& auth) const;
  void warn_of_syntax(const std::string& path) const;
  Refusal mail_parameter(const mail::Parameter& parameter,
                         Transaction& transaction);
  Refusal rcpt_parameter(const mail::Parameter& parameter,
                         ipc::MessageRecipient& recipient);
  Task<Refusal> judge_sender(std::int64_t size);
  Task<Refusal> judge_room(std::int64_t size);
  Task<Refusal> judge_recipient(std::string address);
  std::optional<std::string> parse_address(const std::string& path,
                                           bool strict, bool allow_empty) const;
  Task<Refusal> open_submission();
  ipc::MessageBegin beginning() const;
  std::string auth_sender(const Transaction& transaction) const;
  void log_client() const;
  std::string received() const;
  std::string no_recipients() const;
  Task<void> uncount();
  void start_content();
  void mark_effects();
  std::string transcript(const std::string& to,
                         const std::string& queue_id) const;
  Task<void> receive_data(DataReader* reader);
  Task<void> pass_on(bool more_at_once, std::int64_t size);
  Task<bool> finish_message(bool bare_newline, bool chunked);
  Task<bool> settle_message(bool bare_newline, bool chunked);
  Task<bool> cannot_store();
  Task<void> receive_chunk(std::int64_t bytes);
  Task<bool> discard_chunk(std::int64_t bytes, bool last, std::string text);
  Task<Refusal> over_rate(std::string event, std::int64_t limit,
                          const char* what, const char* words);
  std::optional<std::string> apply_xclient(const std::string& name,
                                           const std::string& value,
                                           Client* client,
                                           std::unique_ptr<Login>* login);
  std::optional<std::string> apply_xforward(const std::string& name,
                                            const std::string& value,
                                            Forwarded* forwarded);
  // Is the session protected by TLS?
  bool encrypted() const { return facts_.tls != nullptr; }
  bool takes_auth() const;
  SessionMeans means() const;
  Task<bool> reach_authentication();
  Task<std::vector<std::string>> offered_mechanisms(Millis limit);
  Task<std::vector<std::string>> auth_keywords();
  AuthStart auth_start(const std::string& method) const;
  Task<bool> authenticate(std::string method,
                          std::optional<std::string> initial);
  Task<bool> conclude(std::string method, AuthReply answer);
  Task<std::optional<std::string>> read_response();
  void reset_transaction();
  bool in_transaction() const { return transaction_ != nullptr; }
  bool keeps(Keyword keyword) const { return (discarded_ & keyword) == 0; }
  std::string anvil_key() const;

  std::shared_ptr<Settings> settings_;
  Surroundings& surroundings_;
  const log::Log& log_;
  Facts facts_;
  Access access_;
  Stream stream_;
  std::unique_ptr<Transaction> transaction_;
  std::unique_ptr<Forwarded> forwarded_;
  std::string history_;
  std::string denied_;  // refused at the start: only QUIT is left
  const char* ended_by_ = nullptr;  // "lost connection", "timeout", …
  std::int64_t content_bytes_ = 0;
  Clock::time_point request_start_{};
  unsigned discarded_ = 0;
  std::uint32_t errors_ = 0, junk_ = 0, history_lines_ = 0;
  std::array<Count, verb_count> counts_{};
  Chunks chunk_state_ = Chunks::none;
  BareNewline bare_newline_ = BareNewline::normalize;
  bool bare_command_ = false;  // the last command line ended in LF alone
  bool noted_bare_newline_ = false;
  bool closing_ = false;
  bool unlogged_end_ = false;  // a "fatal" line has told of it
  bool restart_ = false;  // XCLIENT: begin again
  bool counted_ = false;  // anvil knows of this connection
  bool limits_apply_ = false;
  bool local_rewriting_ = false;  // local_header_rewrite_clients
  bool may_xclient_ = false, may_xforward_ = false, may_verp_ = false;
  std::int64_t forwarded_remote_ = -1;  // XFORWARD SOURCE: 1 remote, 0 local
};

// For the Received header; `asked`: clients are asked for a certificate.
mail::TlsTrace tls_trace(const tls::Facts& facts, bool asked);

}  // namespace postern::smtpd
