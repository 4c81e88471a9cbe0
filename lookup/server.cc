#include "lookup/server.h"

#include <utility>

#include "common/base/text.h"
#include "lookup/files.h"

namespace postern::lookup {
namespace {

// Peers may be silent for as long as they like.
constexpr Millis listening{3'600'000};
// A peer that does not take its answers in this time is given up.
constexpr Millis reading_limit{60'000};
constexpr Millis user_limit{30'000};
constexpr std::size_t most_unsent = 1u << 20;
// Questions of one peer that are under way; more wait in the link.
constexpr std::size_t most_under_way = 2000;
constexpr std::size_t most_named_files = 10'000;

// Counts a question for as long as its task lives.
class UnderWay {
 public:
  explicit UnderWay(std::size_t& count) : count_(count) { ++count_; }
  ~UnderWay() { --count_; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace

struct Server::Session {
  std::unique_ptr<ipc::Link> link;
  Anvil::Reporter id;
  Nursery tasks;
};

Server::Server(TableCache& tables, Names& names, Anvil& anvil,
               HelperThread& helper, log::Log log)
    : tables_(tables),
      names_(names),
      anvil_(anvil),
      helper_(helper),
      log_(std::move(log)) {}

void Server::take(std::unique_ptr<ipc::Link> link) {
  auto session = std::make_unique<Session>();
  session->link = std::move(link);
  session->id = ++last_session_;
  sessions_.start(serve(std::move(session)));
}

void Server::when_answered(std::function<void()> callback) {
  answered_ = std::move(callback);
  check_answered();
}

void Server::check_answered() {
  if (under_way_ > 0 || !answered_) return;
  const auto callback = std::exchange(answered_, nullptr);
  callback();
}

Task<void> Server::serve(std::unique_ptr<Session> session) {
  ipc::Link& link = *session->link;
  while (link.open() || link.waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link.next(listening);
    if (frame) handle(session.get(), std::move(*frame));
    if (link.unsent() > most_unsent) {
      const bool taken = co_await link.drained(reading_limit);
      if (!taken) link.close();
    }
    while (session->tasks.size() > most_under_way) {
      co_await pause(Millis(10));
    }
  }
  anvil_.gone(session->id);
  session.reset();
  check_answered();
}

template <class Q>
Task<void> Server::finish(Session* session, std::uint32_t id,
                          Task<typename Q::Answer> answer) {
  {
    const UnderWay question(under_way_);
    typename Q::Answer found = co_await std::move(answer);
    session->link->reply(id, found);
  }
  check_answered();
}

template <class Q>
void Server::begin(Session* session, ipc::Frame& frame,
                   Task<typename Q::Answer> (Server::*answer)(Q)) {
  std::optional<Q> question = frame.as<Q>();
  if (!question) return session->link->close();
  session->tasks.start(
      finish<Q>(session, frame.id, (this->*answer)(std::move(*question))));
}

void Server::handle(Session* session, ipc::Frame frame) {
  if (auto table = frame.as<ipc::TableFind>()) {
    if (tables_.slow(table->maps)) {
      session->tasks.start(finish<ipc::TableFind>(
          session, frame.id,
          find_slowly(session->link->peer(), std::move(*table))));
    } else {
      const ipc::TableAnswer found = tables_.find(*table, Clock::now());
      note_named_file(session->link->peer(), found);
      session->link->reply(frame.id, found);
    }
  } else if (auto note = frame.as<ipc::AnvilNote>()) {
    session->link->reply(frame.id,
                         anvil_.note(*note, session->id, Anvil::now()));
  } else if (auto note = frame.as<ipc::VerifyNote>()) {
    session->link->reply(frame.id, verifier_ == nullptr
                                       ? ipc::VerifyNoted{}
                                       : verifier_->note(*note));
  } else if (auto screened = frame.as<ipc::ScreenFind>()) {
    session->link->reply(frame.id, screen_ == nullptr
                                       ? ipc::ScreenAnswer{}
                                       : screen_->find(*screened));
  } else if (auto passed = frame.as<ipc::ScreenKeep>()) {
    session->link->reply(frame.id, screen_ == nullptr
                                       ? ipc::ScreenAnswer{}
                                       : screen_->keep(*passed));
  } else if (frame.is<ipc::DnsListFind>()) {
    begin(session, frame, &Server::list);
  } else if (frame.is<ipc::VerifyFind>()) {
    begin(session, frame, &Server::verify);
  } else if (auto file = frame.as<ipc::FileFind>()) {
    session->link->reply(frame.id, read_file(*file));
  } else if (auto wanted = frame.as<ipc::TlsSessionFind>()) {
    ipc::TlsSessionAnswer found;
    if (tls_sessions_ != nullptr)
      found.session = tls_sessions_->find(session->link->name(), wanted->key);
    session->link->reply(frame.id, found);
  } else if (auto kept = frame.as<ipc::TlsSessionKeep>()) {
    if (tls_sessions_ != nullptr)
      tls_sessions_->keep(session->link->name(), *kept);
  } else if (frame.is<ipc::UserFind>()) {
    begin(session, frame, &Server::user);
  } else if (frame.is<ipc::MailHostsFind>()) {
    begin(session, frame, &Server::mail_hosts);
  } else if (frame.is<ipc::ClientNameFind>()) {
    begin(session, frame, &Server::client_name);
  } else if (frame.is<ipc::DnsFind>()) {
    begin(session, frame, &Server::records);
  } else if (frame.is<ipc::DialHost>() && dialer_ != nullptr) {
    dial(session, frame);
  } else {
    log_.warning("the {} service asked something that lookup does not answer",
                 session->link->name());
    session->link->close();
  }
}

// Which row asks is known from its link.
void Server::dial(Session* session, ipc::Frame& frame) {
  std::optional<ipc::DialHost> question = frame.as<ipc::DialHost>();
  if (!question) return session->link->close();
  Task<ipc::DialAnswer> answer =
      dialer_->dial(session->link->peer(), session->link->name(),
                    std::move(*question));
  session->tasks.start(
      finish<ipc::DialHost>(session, frame.id, std::move(answer)));
}

Task<ipc::TableAnswer> Server::find_slowly(Role peer,
                                           ipc::TableFind question) {
  ipc::TableAnswer found =
      co_await tables_.find_slowly(std::move(question));
  note_named_file(peer, found);
  co_return std::move(found);
}

// "user:</path": what smtp may then read is what a table has named to it.
void Server::note_named_file(Role peer, const ipc::TableAnswer& found) {
  if (peer != Role::smtp || !found.found) return;
  const std::size_t at = found.value.find(":</");
  if (at == std::string::npos || at != found.value.find(':')) return;
  if (named_files_.size() >= most_named_files) named_files_.clear();
  named_files_.insert(found.value.substr(at + 2));
}

ipc::FileAnswer Server::read_file(const ipc::FileFind& question) const {
  if (question.what == "certificates" || named_files_.contains(question.path))
    return read_named_file(question);
  log_.warning("smtp asked for the first line of {}, which no table has named "
               "to it", printable(question.path));
  ipc::FileAnswer refused;
  refused.trouble = ipc::TroubleWire::from(
      try_later("3.0", "no table names " + printable(question.path)));
  return refused;
}

Task<ipc::VerifyAnswer> Server::verify(ipc::VerifyFind question) {
  if (verifier_ != nullptr) {
    co_return co_await verifier_->find(std::move(question));
  }
  ipc::VerifyAnswer failed;
  failed.trouble =
      ipc::TroubleWire::from(try_later("3.0", "no address is verified here"));
  co_return std::move(failed);
}

ipc::UserAnswer user_answer(const Result<std::optional<os::User>>& found) {
  ipc::UserAnswer answer;
  if (!found) {
    answer.trouble = ipc::TroubleWire::from(found.trouble());
  } else if (*found) {
    const os::User& user = **found;
    answer = {true,           user.name, user.uid,   user.gid,
              user.full_name, user.home, user.shell, ipc::TroubleWire::none()};
  }
  return answer;
}

Task<ipc::UserAnswer> Server::user(ipc::UserFind question) {
  HelperThread::Job<ipc::UserAnswer> job(
      helper_, [name = std::move(question.name), id = question.id] {
        return user_answer(name.empty() && id >= 0
                               ? os::find_user(static_cast<uid_t>(id))
                               : os::find_user(name));
      });
  const bool in_time = co_await job.wait(user_limit);
  if (in_time) co_return job.take();
  ipc::UserAnswer late;
  late.trouble = ipc::TroubleWire::from(
      try_later("3.0", "the user database does not answer"));
  co_return std::move(late);
}

Task<ipc::MailHostsAnswer> Server::mail_hosts(ipc::MailHostsFind question) {
  co_return co_await names_.mail_hosts(std::move(question));
}

Task<ipc::ClientNameAnswer> Server::client_name(ipc::ClientNameFind question) {
  co_return co_await names_.client_name(std::move(question.address));
}

Task<ipc::DnsAnswer> Server::records(ipc::DnsFind question) {
  co_return co_await names_.records(std::move(question));
}

Task<ipc::DnsListAnswer> Server::list(ipc::DnsListFind question) {
  co_return co_await names_.list(std::move(question));
}

}  // namespace postern::lookup
