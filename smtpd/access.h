// Access decisions: the restriction lists of main.conf applied to what is
// known of the session, in Postfix's order (SMTPD_ACCESS_README).
// A refusal is logged here; the caller sends it.
// Next: restrictions.h (names), judgements.h (checks that need nobody).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "common/loop/task.h"
#include "smtpd/facts.h"
#include "smtpd/judgements.h"
#include "smtpd/settings.h"
#include "smtpd/surroundings.h"

namespace postern::smtpd {

// nullopt: go on. Else the reply.
using Refusal = std::optional<std::string>;

// What access tables asked for besides yes and no (access(5)).
struct SideEffects {
  std::int64_t flags = 0;  // CleanupFlag: hold, discard
  std::string filter, redirect;
  std::vector<std::string> prepend;  // headers
  std::vector<std::string> bcc;      // more recipients
  bool any() const {
    return flags != 0 || !filter.empty() || !redirect.empty();
  }
};

class Access {
 public:
  Access(const log::Log& log, Facts& facts, Surroundings& surroundings)
      : log_(log), facts_(facts), surroundings_(surroundings) {}

  void use(Settings* settings) { settings_ = settings; }

  // One for each stage; facts_.where names the command.
  Task<Refusal> client();
  Task<Refusal> helo();
  Task<Refusal> sender();
  Task<Refusal> recipient();
  Task<Refusal> data();
  Task<Refusal> end_of_data();
  Task<Refusal> etrn(std::string domain);
  // The declared size.
  Refusal size(std::int64_t declared);
  // The queue has no room.
  Refusal no_room(const std::string& why);

  // Is the client one whose headers are completed like our own users'?
  Task<bool> local_rewriting();
  // Does the list also name clients that have logged in, and has this one?
  bool rewrites_for_login() const;
  Task<bool> in_list(tables::MatchList* list);
  Task<bool> matches(tables::MatchList* list, std::string name,
                     std::string address);

  SideEffects& effects() { return effects_; }
  // The transaction is over.
  void reset_transaction();

 private:
  enum class Outcome { go_on, permit, refuse };
  struct Subject {
    std::string name;   // "<name>" in replies
    const char* kind;   // "Client host"
    Check table_check;  // what a bare "type:table" means here
  };

  Task<Outcome> walk(const RestrictionList* list, Subject subject,
                     bool warn_only, int depth);
  Task<Outcome> apply(const Restriction* restriction, Subject subject,
                      int depth);
  Task<Outcome> destination(Check check, std::string name);
  Task<Outcome> known_certificate();
  Task<Outcome> listed(std::string address, bool as_sender);
  Task<Outcome> sender_login(Check check);
  Task<Outcome> own_sender(bool unknown_allowed);
  Task<Outcome> others_sender();
  Task<Result<std::optional<std::string>>> owners_of(std::string sender);
  Task<Outcome> table(const Restriction* restriction, Subject subject,
                      int depth);
  Task<Outcome> act(std::string value, std::string table, Subject subject,
                    int depth);
  std::vector<ipc::TableFind> questions(const Restriction& restriction,
                                        const Subject& subject,
                                        const std::string& address) const;
  std::string address_for(const Restriction& restriction,
                          const Subject& subject) const;
  // Whom a check speaks of, by the check that its stage's tables stand for.
  Subject judged_subject(Check check) const;
  static Subject named_subject(std::string name, const char* kind);
  void defer_on_request(const Restriction& restriction,
                        const Subject& subject);
  std::optional<Outcome> act_at_once(const std::string& verb,
                                     const std::string& text,
                                     const Subject& subject,
                                     const std::string& table);
  std::optional<Outcome> act_on_message(const std::string& verb,
                                        const std::string& text,
                                        const Subject& subject,
                                        const std::string& table);
  Outcome refuse_by_table(int code, const char* status,
                          const std::string& text, const Subject& subject);
  void tell(const char* what, const std::string& text,
            const Subject& subject) const;
  Task<Outcome> finish_recipient(Outcome outcome);

  Judged judge(const Restriction& restriction, const Subject& subject) const;
  Outcome settle(const Judged& judged);
  Outcome refuse(Fault fault, int code, std::string status, std::string text);
  Outcome misconfigured();
  void start();
  Refusal result(Outcome outcome);

  // Refusals that come true when the mail is permitted, or refused otherwise.
  struct Deferral {
    Fault fault;
    int code;
    std::string status, text;
  };
  void defer_by_table(std::optional<Deferral>& slot, const std::string& text,
                      const Subject& subject);

  const log::Log& log_;
  Facts& facts_;
  Surroundings& surroundings_;
  Settings* settings_ = nullptr;

  bool warn_only_ = false;
  std::string reply_;
  std::optional<Deferral> if_permit_, if_reject_;
  // Of the client, HELO and sender stages: they wait for the recipient.
  std::optional<Deferral> kept_if_permit_[3];
  bool unlisted_recipient_judged_ = false, unlisted_sender_judged_ = false;
  SideEffects effects_;
};

}  // namespace postern::smtpd
