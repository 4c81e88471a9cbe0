// Access decisions: the restriction lists of main.conf applied to what is
// known of the session, in Postfix's order (SMTPD_ACCESS_README).
// A refusal is logged here; the caller sends it.
// Next: restrictions.h (names), judgements.h (checks that need nobody), then
// access.cc (the stages) and the access_*.cc beside it, one for each kind of
// question.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/access/facts.h"
#include "common/access/judgements.h"
#include "common/access/questions.h"
#include "common/access/settings.h"
#include "common/access/trace.h"
#include "common/log/log.h"
#include "common/loop/task.h"

namespace postern::access {

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
  Access(const log::Log& log, Facts& facts, Questions& questions)
      : log_(log), facts_(facts), questions_(questions) {}

  void use(Settings* settings) { settings_ = settings; }
  // Told of every step (postern explain). Null: nobody.
  void tell_steps_to(Trace* trace) { trace_ = trace; }

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

  // What $name stands for in replies.
  std::string value_of(std::string_view name) const;

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
  Task<Outcome> destination(Check check);
  Task<Outcome> known_certificate();
  Task<Outcome> listed(std::string address, bool as_sender);
  Task<Outcome> implied(bool as_sender);
  Task<Outcome> walk_stage(const RestrictionList* list, const char* parameter,
                           Subject subject);
  Task<Outcome> apply_traced(const Restriction* restriction, Subject subject,
                             int depth);
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
  Subject subject_of(Party party) const;
  static Subject named_subject(std::string name, const char* kind);
  static ipc::TableFind domain_question(const std::string& maps,
                                        const std::string& domain,
                                        bool parents);
  static ipc::TableFind address_question(const std::string& maps,
                                         const std::string& address);
  Outcome table_failed(const std::string& table, const std::string& why,
                       const Subject& judged);
  Outcome permit_by(const std::string& verb, const Subject& subject,
                    const std::string& table);
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

  // --- what the domain name system says (access_names.cc) ---
  enum class Found { yes, no, later, malformed, null_mx };
  Task<Outcome> ask_names(const Restriction* restriction, Subject subject);
  Task<Found> find_any(std::string name, std::vector<std::string> types);
  Task<Outcome> unknown_domain(std::string address, bool as_sender);
  Task<Outcome> unknown_helo();
  Outcome unknown_client(Check check);
  Task<Outcome> mx_backup();
  Task<bool> is_this_host(std::string name);
  Task<bool> in_backup_networks(std::vector<std::string> hosts);

  // --- the hosts that serve a name (access_servers.cc) ---
  struct Server {
    std::string host;     // "" for an address alone
    std::string address;  // "" where the host is to be asked for
  };
  Task<Outcome> servers(const Restriction* restriction, int depth);
  Task<std::vector<Server>> servers_of(std::string domain, Hosts kind,
                                       std::string given);
  Task<std::vector<std::string>> name_servers_of(std::string domain);
  Task<std::optional<ipc::TableAnswer>> find_server(std::string maps,
                                                    Server server,
                                                    Subject judged);
  Outcome forbid_permit(const std::string& name, const std::string& target,
                        Outcome outcome);

  // --- lists in the domain name system (access_lists.cc) ---
  struct Listing {
    bool listed = false;
    bool unsure = false;
    std::string reason;
  };
  Task<Outcome> dns_list(const Restriction* restriction);
  Task<Outcome> old_lists();
  Task<Outcome> deny_list(std::string domain, std::string question,
                          std::string what, const char* kind);
  Task<Outcome> welcome_list(std::string domain, std::string question,
                             std::string what, const char* kind);
  Task<Listing> look_up(std::string question, std::string domain);
  Outcome refuse_listed(const std::string& domain, const std::string& what,
                        const char* kind, const std::string& reason,
                        std::optional<std::string> own_template);
  Task<bool> may_be_welcomed();
  std::string text_of(Party party) const;

  // --- address verification (access_verify.cc) ---
  Task<Outcome> unverified(std::string address, bool as_sender);

  // --- policy services (access_policy.cc) ---
  Task<Outcome> policy(const Restriction* restriction, Subject subject,
                       int depth);
  std::string request_of(const PolicyService& service) const;

  Judged judge(const Restriction& restriction, const Subject& subject) const;
  Outcome settle(const Judged& judged);
  Outcome refuse(Fault fault, int code, std::string status, std::string text);
  Outcome misconfigured();
  Outcome without_argument(const std::string& name);
  // The reply that a temporary failure leads to: kept until the mail would be
  // permitted, or given at once (`now`, or under warn_if_reject).
  Outcome refuse_later(bool now, Fault fault, int code, std::string status,
                       std::string text);
  Task<Outcome> log_permit(const Restriction* restriction, Subject subject);
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
  Questions& questions_;
  Settings* settings_ = nullptr;
  Trace* trace_ = nullptr;

  bool warn_only_ = false;
  // For smtpd_log_access_permit_actions: that it was told, and the words of a
  // table that permitted.
  bool permit_told_ = false;
  std::string permit_action_;
  std::string reply_;
  std::optional<Deferral> if_permit_, if_reject_;
  // Of the client, HELO and sender stages: they wait for the recipient.
  std::optional<Deferral> kept_if_permit_[3];
  bool unlisted_recipient_judged_ = false, unlisted_sender_judged_ = false;
  // A default action that asks a policy service again gets the built-in one.
  bool in_default_action_ = false;
  SideEffects effects_;
};

}  // namespace postern::access
