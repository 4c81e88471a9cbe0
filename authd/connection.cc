#include "authd/connection.h"

#include <unistd.h>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/saslprep.h"

namespace postern::authd {
namespace {

// A client may be silent for as long as it likes.
constexpr Millis listening = std::chrono::hours(24);
// Who does not take answers is given up.
constexpr Millis sending{30'000};
constexpr std::size_t most_unsent = 1u << 20;
constexpr std::size_t cookie_size = 16;
constexpr std::int64_t our_version = 1;

std::string quoted(const std::string& name) {
  return "<" + printable_utf8(name) + ">";
}

// What failures are counted for.
std::string account_of(const Outcome& outcome) {
  return credentials::name_key(outcome.account.empty() ? outcome.user
                                                       : outcome.account);
}

// The password was right, but that is not told while the account is locked.
Outcome wrong_for_now(Outcome outcome) {
  std::string user = outcome.user;
  outcome.why = "the account is locked for a while";
  return wrong(std::move(outcome), std::move(user));
}

std::string address_of(const Exchange& exchange) {
  const std::string& address = exchange.session().address;
  return address.empty() ? "unknown" : printable(address);
}

}  // namespace

// --- the gate ---

Gate::Place::Place(Gate& gate, std::string client)
    : gate_(gate), client_(std::move(client)) {
  ++gate_.under_way_;
  const std::size_t own = ++gate_.of_client_[client_];
  granted_ = gate_.under_way_ <= gate_.limits_.requests &&
             (client_.empty() || own <= gate_.limits_.of_client);
}

Gate::Place::~Place() {
  const auto own = gate_.of_client_.find(client_);
  if (--own->second == 0) gate_.of_client_.erase(own);
  if (--gate_.under_way_ > 0 || !gate_.idle_) return;
  const auto callback = std::exchange(gate_.idle_, nullptr);
  callback();
}

void Gate::when_idle(std::function<void()> callback) {
  if (under_way_ == 0) return callback();
  idle_ = std::move(callback);
}

// --- the conversation ---

Connection::Connection(Fd socket, std::string name, std::uint64_t number,
                       std::shared_ptr<Backend> backend, Gate& gate)
    : stream_(std::move(socket)),
      name_(std::move(name)),
      number_(number),
      backend_(std::move(backend)),
      gate_(gate) {}

Connection::~Connection() = default;

Task<void> Connection::run() {
  try {
    co_await converse();
  } catch (const Hangup&) {
  }
}

Task<void> Connection::converse() {
  const std::vector<MechanismOffer> offers = co_await backend_->mechanisms();
  const std::string cookie =
      credentials::to_hex(credentials::random_bytes(cookie_size));
  stream_.put(greeting(offers, ::getpid(), number_, cookie));
  co_await stream_.flush(sending);
  for (;;) {
    std::string text = co_await line();
    const bool go_on = take(parse(text));
    credentials::wipe(text);
    if (!go_on) co_return;
  }
}

Task<std::string> Connection::line() {
  for (;;) {
    const std::string_view buffered = stream_.buffered();
    const std::size_t end = buffered.find('\n');
    if (end <= longest_line || end == std::string_view::npos) {
      if (end != std::string_view::npos) {
        std::string text(buffered.substr(0, end));
        stream_.consume(end + 1);
        co_return std::move(text);
      }
      if (buffered.size() <= longest_line) {
        co_await stream_.fill(listening);
        continue;
      }
    }
    gate_.log().warning("the client {} of authd sent a line that is too long",
                        name_);
    throw Hangup{Hangup::Why::line_too_long};
  }
}

// False: the connection ends.
bool Connection::take(ClientLine said) {
  if (auto* version = std::get_if<VersionLine>(&said)) {
    versioned_ = version->major == our_version;
    return versioned_ || complain("another version of the protocol");
  }
  if (auto* bad = std::get_if<BadLine>(&said)) return complain(bad->why);
  if (std::holds_alternative<ProcessLine>(said) ||
      std::holds_alternative<UnknownLine>(said))
    return true;
  if (!versioned_) return complain("a request before VERSION");
  if (auto* auth = std::get_if<AuthLine>(&said)) return begin(std::move(*auth));
  if (auto* spoiled = std::get_if<SpoiledLine>(&said)) return spoil(*spoiled);
  if (auto* response = std::get_if<ContinueLine>(&said)) {
    const auto found = exchanges_.find(response->id);
    // It may have just been given up.
    if (found == exchanges_.end()) return true;
    return found->second->answer(std::move(response->response)) ||
           complain("CONT where nothing was asked");
  }
  if (auto* cancel = std::get_if<CancelLine>(&said))
    if (const auto found = exchanges_.find(cancel->id);
        found != exchanges_.end())
      found->second->cancel();
  return true;
}

bool Connection::complain(const std::string& why) {
  gate_.log().warning("the client {} of authd broke the protocol: {}", name_,
                      why);
  return false;
}

// A stranger's response came through as it was.
bool Connection::spoil(const SpoiledLine& line) {
  gate_.log().info("log-in failed: the client {} of authd sent {}", name_,
                   line.why);
  const auto found = exchanges_.find(line.id);
  if (found != exchanges_.end())
    found->second->cancel();  // its end is told
  else
    say(fail_line(line.id, {{"reason", "Invalid base64 data in response"}}));
  return true;
}

bool Connection::begin(AuthLine line) {
  const std::uint32_t id = line.id;
  if (exchanges_.contains(id)) return complain("AUTH with a number in use");
  auto exchange = std::make_unique<Exchange>(
      std::move(line), gate_.limits().answer,
      [this](const std::string& text) { say(text); });
  exchanges_[id] = exchange.get();
  attempts_.start(attempt(std::move(exchange)));
  return true;
}

void Connection::say(const std::string& text) {
  stream_.put(text);
  stream_.push();
  if (stream_.unsent() > most_unsent) stream_.shut();
}

// --- a log-in ---

Task<void> Connection::attempt(std::unique_ptr<Exchange> exchange) {
  const Clock::time_point began = Clock::now();
  const std::uint32_t id = exchange->line().id;
  {
    const Gate::Place place(gate_, exchange->client());
    const auto verdict =
        exchange->session().no_penalty
            ? Attempts::Verdict::go_on
            : gate_.attempts().judge(exchange->session().address, began);
    Outcome outcome;
    if (!place.granted()) {
      outcome = unavailable("too many log-ins at a time");
    } else if (verdict != Attempts::Verdict::go_on) {
      outcome = unavailable(verdict == Attempts::Verdict::address_locked
                                ? "its address is locked for a while"
                                : "its network is locked for a while");
      co_await pause(gate_.limits().attempts.first_delay);
    } else {
      outcome = co_await backend_->run(exchange.get());
    }
    co_await settle(exchange.get(), std::move(outcome), began);
  }
  exchanges_.erase(id);
}

Task<void> Connection::settle(Exchange* exchange, Outcome outcome,
                              Clock::time_point began) {
  if (outcome.kind == Outcome::Kind::good &&
      !exchange->session().no_penalty &&
      gate_.attempts().account_locked(account_of(outcome),
                                      exchange->session().address,
                                      Clock::now()))
    outcome = wrong_for_now(std::move(outcome));
  if (outcome.kind == Outcome::Kind::good && !outcome.last.empty() &&
      !exchange->line().takes_final_response) {
    const std::optional<std::string> empty =
        co_await exchange->ask(outcome.last);
    outcome.last.clear();
    if (!empty) outcome = gone();
  }
  tell(*exchange, outcome);
  if (outcome.kind == Outcome::Kind::good) {
    accept(*exchange, outcome);
    co_return;
  }
  const Millis delay = delay_of(*exchange, outcome);
  const auto passed =
      std::chrono::duration_cast<Millis>(Clock::now() - began);
  if (delay > passed) {
    co_await pause(delay - passed);
  }
  refuse(*exchange, outcome);
}

// From its beginning to the answer.
Millis Connection::delay_of(const Exchange& exchange, const Outcome& outcome) {
  if (outcome.kind != Outcome::Kind::refused ||
      exchange.session().no_penalty)
    return Millis(0);
  const Attempts::Failure failure = gate_.attempts().failed(
      exchange.session().address, account_of(outcome), outcome.guess,
      Clock::now());
  if (failure.now_locked)
    gate_.log().warning(
        "too many failed log-ins: client={}, user={}: refused for {} seconds",
        address_of(exchange), quoted(outcome.user),
        gate_.limits().attempts.lock.count());
  return failure.delay;
}

void Connection::tell(const Exchange& exchange, const Outcome& outcome) {
  const std::string who =
      quoted(outcome.user) + ", method=" +
      printable(exchange.line().mechanism) + ", service=" +
      printable(exchange.session().service) + ", client=" +
      address_of(exchange) +
      (outcome.backend.empty() ? "" : ", backend=" + outcome.backend);
  const std::string why =
      outcome.why.empty() ? "" : ": " + printable_utf8(outcome.why);
  switch (outcome.kind) {
    case Outcome::Kind::good:
      gate_.log().info("logged in: user=" + who + why);
      break;
    case Outcome::Kind::refused:
    case Outcome::Kind::gone:
      gate_.log().info("log-in failed: user=" + who + why);
      break;
    case Outcome::Kind::unavailable:
      gate_.log().warning("log-in put off: user=" + who + why);
      break;
  }
}

void Connection::accept(const Exchange& exchange, const Outcome& outcome) {
  gate_.attempts().succeeded(exchange.session().address, account_of(outcome));
  Fields fields = {{"user", outcome.user}};
  if (!outcome.last.empty())
    fields.push_back({"resp", base64_encode(outcome.last)});
  say(ok_line(exchange.line().id, fields));
}

void Connection::refuse(const Exchange& exchange, const Outcome& outcome) {
  Fields fields;
  if (!outcome.user.empty()) fields.push_back({"user", outcome.user});
  if (!outcome.reason.empty()) fields.push_back({"reason", outcome.reason});
  if (outcome.kind == Outcome::Kind::unavailable) {
    fields.push_back({"code", "temp_fail"});
    fields.push_back({"temp", std::nullopt});
  }
  if (!outcome.code.empty()) fields.push_back({"code", outcome.code});
  if (outcome.code == "authzfailed") fields.push_back({"authz", std::nullopt});
  if (outcome.code == "user_disabled")
    fields.push_back({"user_disabled", std::nullopt});
  say(fail_line(exchange.line().id, fields));
}

}  // namespace postern::authd
