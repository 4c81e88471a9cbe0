#include "authd/keys.h"

#include <algorithm>
#include <thread>

#include "common/base/role.h"

namespace postern::authd {
namespace {

constexpr Millis master_limit = Seconds(10);
constexpr Millis signing_limit = Seconds(30);
// Signatures that one process may wait for at a time.
constexpr std::size_t most_under_way = 2000;

bool belongs_to(const ipc::RowWire& row, Role role) {
  const bool delivers = row.program == "smtp" || row.program == "lmtp";
  const bool receives = row.program == "smtpd" ||
                        row.program == "postscreen" ||
                        row.program == "tlsproxy" || row.program == "qmqpd";
  return role == Role::smtp ? delivers : receives;
}

std::string prefix_of(const ipc::RowWire& row) {
  if (row.program == "lmtp") return "lmtp";
  return row.program == "smtp" ? "smtp" : "smtpd";
}

struct Signature {
  std::shared_ptr<const KeyedChain> key;
  ipc::SignRequest request;
  ipc::SignAnswer answer;

  void make() {
    Result<std::string> made = sign(key->key.get(), request);
    if (made) answer.signature = std::move(*made);
    else answer.trouble = ipc::TroubleWire::from(made.trouble());
  }
};

}  // namespace

Keys::Keys(Service& service)
    : service_(service),
      files_(*this),
      names_(files_, service.log()),
      store_(files_, names_) {
  for (const ipc::RowWire& row : service.suite())
    if (belongs_to(row, Role::smtpd))
      names_.preload(service.config_of(row).text("tls_server_sni_maps"));
}

void Keys::start() {
  threads_.start(std::clamp(std::thread::hardware_concurrency(), 1u, 8u));
}

Task<Result<Fd>> Keys::open(std::string path) {
  co_return co_await service_.secret_file(std::move(path), master_limit);
}

const Keys::Asker& Keys::asker_of(const ipc::Link& link) {
  const std::string name =
      std::string(name_of(link.peer())) + " " + link.name();
  const auto found = askers_.find(name);
  if (found != askers_.end()) return found->second;
  Asker asker;
  asker.row = name;
  asker.side = link.peer() == Role::smtpd ? Side::server : Side::client;
  for (const ipc::RowWire& row : service_.suite()) {
    if (row.name != link.name() || !belongs_to(row, link.peer())) continue;
    asker.sources =
        KeySources::read(service_.config_of(row), prefix_of(row));
    break;
  }
  return askers_.emplace(name, std::move(asker)).first->second;
}

bool Keys::handle(ipc::Link* link, Nursery* questions, ipc::Frame& frame) {
  const std::uint32_t id = frame.id;
  if (auto identity = frame.as<ipc::IdentityFind>()) {
    questions->start(tell_identity(link, id, std::move(*identity)));
    return true;
  }
  if (auto request = frame.as<ipc::SignRequest>()) {
    if (questions->size() >= most_under_way) {
      ipc::SignAnswer busy;
      busy.trouble = ipc::TroubleWire::from(
          try_later("3.2", "authd has too much to sign"));
      link->reply(id, busy);
    } else {
      questions->start(give_signature(link, id, std::move(*request)));
    }
    return true;
  }
  if (auto tickets = frame.as<ipc::TicketKeysFind>()) {
    tell_tickets(link, id, *tickets);
    return true;
  }
  if (auto wanted = frame.as<ipc::SessionFind>()) {
    ipc::SessionAnswer answer;
    answer.session =
        sessions_.find(asker_of(*link).row, wanted->id, Clock::now());
    link->reply(id, answer);
    return true;
  }
  if (auto session = frame.as<ipc::SessionKeep>()) {
    sessions_.keep(asker_of(*link).row, std::move(*session), Clock::now());
    return true;
  }
  return false;
}

Task<void> Keys::tell_identity(ipc::Link* link, std::uint32_t id,
                               ipc::IdentityFind question) {
  const Asker* asker = &asker_of(*link);
  ipc::IdentityAnswer answer = co_await store_.identity(
      asker->row, asker->sources, std::move(question));
  link->reply(id, answer);
}

Task<void> Keys::give_signature(ipc::Link* link, std::uint32_t id,
                                ipc::SignRequest request) {
  const Asker* asker = &asker_of(*link);
  auto work = std::make_shared<Signature>();
  work->key = store_.key(asker->row, asker->sources, request.key);
  if (!work->key) {
    // This process may be younger than the asker's knowledge.
    ipc::IdentityFind anything;
    ipc::IdentityAnswer known =
        co_await store_.identity(asker->row, asker->sources, anything);
    work->key = store_.key(asker->row, asker->sources, request.key);
  }
  if (!work->key) {
    work->answer.trouble = ipc::TroubleWire::from(give_up(
        "7.0", "service " + link->name() + " has no such key"));
    link->reply(id, work->answer);
    co_return;
  }
  if (!is_handshake(request.data, asker->side)) {
    service_.log().warning(
        "service {} asked for a signature of what is no TLS handshake: "
        "refused; has it been taken over?", link->name());
    work->answer.trouble =
        ipc::TroubleWire::from(give_up("7.0", "this is no TLS handshake"));
    link->reply(id, work->answer);
    co_return;
  }
  work->request = std::move(request);
  std::shared_ptr<KeyThreads::Work> under_way =
      threads_.begin([work] { work->make(); });
  const bool done = co_await under_way->done.wait(signing_limit);
  if (done) {
    link->reply(id, work->answer);
  } else {
    ipc::SignAnswer late;
    late.trouble =
        ipc::TroubleWire::from(try_later("3.2", "no signature in time"));
    link->reply(id, late);
  }
}

void Keys::tell_tickets(ipc::Link* link, std::uint32_t id,
                        const ipc::TicketKeysFind& question) {
  link->reply(id, tickets_.now(Seconds(question.lifetime_seconds),
                               Clock::now()));
}

}  // namespace postern::authd
