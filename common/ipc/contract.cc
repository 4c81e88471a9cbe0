#include "common/ipc/contract.h"

#include <vector>

#include "common/ipc/messages/auth.h"
#include "common/ipc/messages/content.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/dial.h"
#include "common/ipc/messages/keys.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/queue.h"
#include "common/ipc/messages/screen.h"
#include "common/ipc/messages/tls_sessions.h"
#include "common/ipc/messages/verify.h"
#include "common/ipc/messages/worker.h"

namespace postern::ipc {
namespace {

template <Declared M>
constexpr Edge edge(Role from, Role to) {
  return {from, to, type_of<M>(), M::wire().name};
}

constexpr Edge edges[] = {
    // A message in.
    edge<RoomFind>(Role::smtpd, Role::cleanup),
    edge<MessageBegin>(Role::smtpd, Role::cleanup),
    edge<MessageRecipient>(Role::smtpd, Role::cleanup),
    edge<MessageContent>(Role::smtpd, Role::cleanup),
    edge<MessageMark>(Role::smtpd, Role::cleanup),
    edge<MessageEnd>(Role::smtpd, Role::cleanup),
    edge<MessageAbort>(Role::smtpd, Role::cleanup),
    // Forwarded by local: a new message of its own.
    edge<MessageBegin>(Role::local, Role::cleanup),
    edge<MessageRecipient>(Role::local, Role::cleanup),
    edge<MessageContent>(Role::local, Role::cleanup),
    edge<MessageEnd>(Role::local, Role::cleanup),
    edge<MessageAbort>(Role::local, Role::cleanup),
    // Into the active queue, and notices.
    edge<MessageAdmit>(Role::cleanup, Role::qmgr),
    edge<NoticeRequest>(Role::qmgr, Role::cleanup),
    edge<FlushRequest>(Role::smtpd, Role::qmgr),
    // Out.
    edge<DeliverRequest>(Role::qmgr, Role::smtp),
    edge<DeliverRequest>(Role::qmgr, Role::local),
    edge<StoreRequest>(Role::local, Role::worker),
    edge<ListRequest>(Role::local, Role::worker),
    edge<RunRequest>(Role::local, Role::runner),
    // Passed on by local (mailbox_transport, fallback_transport).
    edge<DeliverRequest>(Role::local, Role::smtp),
    edge<DeliverRequest>(Role::local, Role::local),
    // Questions.
    edge<TableFind>(Role::smtpd, Role::lookup),
    edge<TableFind>(Role::cleanup, Role::lookup),
    edge<TableFind>(Role::qmgr, Role::lookup),
    edge<TableFind>(Role::smtp, Role::lookup),
    edge<TableFind>(Role::local, Role::lookup),
    edge<UserFind>(Role::local, Role::lookup),
    edge<MailHostsFind>(Role::smtp, Role::lookup),
    edge<FileFind>(Role::smtp, Role::lookup),
    edge<TlsSessionFind>(Role::smtp, Role::lookup),
    edge<TlsSessionKeep>(Role::smtp, Role::lookup),
    edge<ClientNameFind>(Role::smtpd, Role::lookup),
    edge<DnsFind>(Role::smtpd, Role::lookup),
    edge<DnsFind>(Role::smtp, Role::lookup),
    edge<DnsFind>(Role::qmgr, Role::lookup),
    edge<AnvilNote>(Role::smtpd, Role::lookup),
    edge<ScreenFind>(Role::smtpd, Role::lookup),
    edge<ScreenKeep>(Role::smtpd, Role::lookup),
    edge<DnsListFind>(Role::smtpd, Role::lookup),
    edge<MailHostsFind>(Role::smtpd, Role::lookup),
    // Address verification: the question, the probe, what became of it.
    edge<VerifyFind>(Role::smtpd, Role::lookup),
    edge<MessageBegin>(Role::lookup, Role::cleanup),
    edge<MessageRecipient>(Role::lookup, Role::cleanup),
    edge<MessageContent>(Role::lookup, Role::cleanup),
    edge<MessageEnd>(Role::lookup, Role::cleanup),
    edge<VerifyNote>(Role::qmgr, Role::lookup),
    edge<AuthChannel>(Role::smtpd, Role::authd),
    // Connections that somebody else makes.
    edge<DialHost>(Role::smtpd, Role::lookup),
    edge<DialHost>(Role::cleanup, Role::lookup),
    // Certificates and signatures.
    edge<IdentityFind>(Role::smtpd, Role::authd),
    edge<SignRequest>(Role::smtpd, Role::authd),
    edge<TicketKeysFind>(Role::smtpd, Role::authd),
    edge<SessionFind>(Role::smtpd, Role::authd),
    edge<SessionKeep>(Role::smtpd, Role::authd),
    edge<IdentityFind>(Role::smtp, Role::authd),
    edge<SignRequest>(Role::smtp, Role::authd),
};

// Every daemon and master; a worker talks to local alone.
constexpr Role daemons[] = {Role::smtpd, Role::cleanup, Role::qmgr,
                            Role::smtp,  Role::local,   Role::authd,
                            Role::lookup, Role::postlogd};

std::vector<Edge> all_edges() {
  std::vector<Edge> all(std::begin(edges), std::end(edges));
  for (const Role daemon : daemons) {
    all.push_back(edge<Welcome>(Role::master, daemon));
    all.push_back(edge<LinkArrival>(Role::master, daemon));
    all.push_back(edge<Wakeup>(Role::master, daemon));
    all.push_back(edge<Drain>(Role::master, daemon));
    all.push_back(edge<Stress>(Role::master, daemon));
    all.push_back(edge<Ready>(daemon, Role::master));
    all.push_back(edge<LinkRequest>(daemon, Role::master));
  }
  all.push_back(edge<HandedOver>(Role::qmgr, Role::master));
  all.push_back(edge<WorkerRequest>(Role::local, Role::master));
  for (const Role asker : {Role::smtpd, Role::cleanup})
    all.push_back(edge<DialPath>(asker, Role::master));
  all.push_back(edge<SecretFileRequest>(Role::authd, Role::master));
  return all;
}

}  // namespace

std::span<const Edge> contract() {
  static const std::vector<Edge> all = all_edges();
  return all;
}

bool allowed(Role from, Role to, std::uint32_t type) {
  for (const Edge& e : contract())
    if (e.type == type && e.from == from && e.to == to) return true;
  return false;
}

bool may_link(Role from, Role to) {
  for (const Edge& e : edges)
    if (e.from == from && e.to == to) return true;
  return false;
}

}  // namespace postern::ipc
