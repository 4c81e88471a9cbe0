// One mail transaction over a session that is ready for it (RFC 5321 3.3, RFC
// 2033). Start reading at transact().
#pragma once

#include <string>
#include <vector>

#include "common/ipc/messages/deliver.h"
#include "common/loop/task.h"
#include "smtp/connection.h"
#include "smtp/content.h"
#include "smtp/outcome.h"
#include "smtp/outgoing.h"
#include "smtp/pace.h"

namespace postern::smtp {

// The addresses as this hop says them (smtp_generic_maps).
struct WireEnvelope {
  std::string sender;
  std::vector<std::string> recipients;  // as in the request
};

class Conversation {
 public:
  enum class End {
    ready,  // the session can take another message
    stale,  // a kept session that was dead already: nothing has happened
    over,   // it cannot; say QUIT
    broken  // it cannot; nothing more is to be said
  };

  // What changes a message. Borrowed.
  struct Changes {
    const WireEnvelope& envelope;
    GenericMap& generic;
    Resolver& resolver;
    const log::Log& log;
  };

  // All are borrowed. `keep`: the session will be kept if it can be.
  Conversation(Connection& connection, const ipc::DeliverRequest& request,
               Ledger& ledger, const Settings& settings,
               const Changes& changes, bool keep);

  // Tells the ledger a verdict for every recipient that is open; those it
  // keeps open are for the next server. Throws Hangup.
  Task<End> transact();

  // Has the server answered anything yet? If not, a Hangup on a kept session
  // says nothing about the destination.
  bool answered() const { return answered_; }

 private:
  struct Addressee {
    std::size_t recipient;  // index in the request
    bool accepted = false;
  };

  void ask_for_everything();
  // The message, without its end. false: it could not be read, or not changed
  // as it should be.
  Task<bool> send_message();
  bool must_convert() const;
  void refuse_for_us();
  Task<void> flush_content();
  Task<void> end_message();
  Task<void> take_verdicts();
  void give_verdict(const Addressee& addressee,
                    const mail::ParsedReply& verdict);
  bool any_accepted() const;
  void refuse_accepted(const Failure& failure);
  Task<mail::ParsedReply> answer(const char* doing, Millis limit);
  Failure refusal(const mail::ParsedReply& reply, const char* command) const;
  bool stops_at_rcpt() const;
  End end() const;

  Connection& connection_;
  const ipc::DeliverRequest& request_;
  Ledger& ledger_;
  const Settings& settings_;
  Changes changes_;
  bool keep_;
  bool answered_ = false;
  Pace pace_;
  std::vector<Addressee> addressees_;
};

// What a server must be able to do for this message. nullopt: it can.
std::optional<Failure> unfit(const ipc::DeliverRequest& request,
                             const Connection& connection);
bool too_large(const ipc::DeliverRequest& request, const Features& features);

}  // namespace postern::smtp
