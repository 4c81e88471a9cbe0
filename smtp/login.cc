#include "smtp/login.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "smtp/passwords.h"

namespace postern::smtp {
namespace {

constexpr int refused_for_good = 535;
// A server that asks without end does not mean well.
constexpr int most_challenges = 10;

// The challenge in "334 base64"; an empty one is a challenge too.
std::optional<std::string> challenge_in(const mail::ParsedReply& reply) {
  if (reply.lines.size() != 1) return std::nullopt;
  const std::string_view line = reply.lines[0];
  return base64_decode(line.size() > 4 ? trim(line.substr(4)) : "");
}

}  // namespace

Login::Login(Connection& connection, const Surroundings& around,
             Credentials credentials)
    : connection_(connection),
      around_(around),
      settings_(around.settings.sasl),
      credentials_(std::move(credentials)),
      who_(identity_of(credentials_)) {}

Login::~Login() { credentials::wipe(credentials_.password); }

Failure Login::unable(std::string text) const {
  Failure failure;
  failure.status = "4.7.0";
  failure.text = std::move(text);
  failure.of_destination = true;
  return failure;
}

Failure Login::cannot(std::string_view why) const {
  return unable(fmt::format("SASL authentication failed; cannot authenticate "
                            "to server {}: {}",
                            connection_.target().name(), why));
}

const SecurityOptions& Login::options() const {
  if (connection_.tls() == nullptr) return settings_.plain;
  return connection_.tls()->matched ? settings_.tls_verified : settings_.tls;
}

std::optional<Failure> Login::remembered() const {
  if (!settings_.remember_refusals) return std::nullopt;
  const Target& target = connection_.target();
  const auto refusal =
      around_.logins.find(target.host, who_, Clock::now());
  if (!refusal) return std::nullopt;
  Failure failure = unable(
      fmt::format("SASL [CACHED] authentication failed; server {} said: {}",
                  target.host, refusal->words));
  failure.status = settings_.soft_bounce ? mail::soften_status(refusal->status)
                                         : refusal->status;
  failure.diagnostic = refusal->words;
  failure.remote_mta = target.host;
  return failure;
}

Task<Result<bool>> Login::passes_filter(std::string mechanism) {
  if (!settings_.filter) co_return true;
  tables::MatchList::Walk walk(*settings_.filter, mechanism);
  for (;;) {
    Result<std::optional<tables::MatchList::Walk::Question>> next = walk.next();
    if (!next) co_return next.trouble();
    if (!*next) break;
    ipc::TableFind question;
    question.maps = (*next)->table;
    question.keys.push_back((*next)->key);
    Result<ipc::TableAnswer> found =
        co_await around_.resolver.table(std::move(question));
    if (!found) co_return found.trouble();
    walk.answer(found->found);
  }
  co_return walk.matched();
}

Task<Result<std::vector<std::string>>> Login::allowed_mechanisms() {
  std::vector<std::string> allowed;
  for (const std::string& one : connection_.features().auth_mechanisms) {
    Result<bool> passes = co_await passes_filter(one);
    if (!passes) co_return passes.trouble();
    if (*passes) allowed.push_back(one);
  }
  co_return std::move(allowed);
}

Task<Status> Login::read_token() {
  if (credentials_.token_file.empty()) co_return Status();
  ipc::FileFind question;
  question.path = credentials_.token_file;
  question.what = "line";
  Result<std::string> token =
      co_await around_.resolver.file(std::move(question));
  if (!token) co_return token.trouble();
  credentials_.password = std::move(*token);
  co_return Status();
}

SaslContext Login::context() const {
  SaslContext out;
  out.credentials = credentials_;
  out.send_authzid = settings_.send_authzid;
  out.host = connection_.target().host;
  out.port = connection_.target().port;
  out.random = credentials::random_bytes;
  const tls::Facts* tls = connection_.tls();
  if (tls == nullptr) return out;
  out.tls = true;
  if (!tls->exporter.empty())
    out.binding = {"tls-exporter", tls->exporter};
  else if (!tls->server_end_point.empty())
    out.binding = {"tls-server-end-point", tls->server_end_point};
  return out;
}

Task<std::optional<Failure>> Login::run() {
  if (auto failure = remembered()) co_return failure;
  if (credentials_.user.empty())
    co_return cannot("the entry of the password table has no user name");
  Result<std::vector<std::string>> offered = co_await allowed_mechanisms();
  if (!offered) {
    around_.log.warning(offered.trouble().text);
    co_return cannot("temporary lookup error");
  }
  if (offered->empty())
    co_return unable(
        fmt::format("SASL authentication failed: server {} offered no "
                    "compatible authentication mechanisms for this type of "
                    "connection security",
                    connection_.target().name()));
  const Status read = co_await read_token();
  if (!read) {
    around_.log.warning("cannot read the token for {}: {}",
                        connection_.target().name(), read.trouble().text);
    co_return cannot("no token available");
  }
  SaslContext terms = context();
  Choice choice;
  choice.offered = std::move(*offered);
  choice.options = options();
  choice.can_bind = !terms.binding.type.empty();
  choice.token_only = !credentials_.token_file.empty();
  choice.tokens_asked_for = settings_.filter_names_tokens;
  const std::optional<std::string> mechanism = choose_mechanism(choice);
  if (!mechanism) {
    around_.log.warning("SASL authentication failure: No worthy mechs found");
    co_return cannot("no mechanism available");
  }
  std::unique_ptr<SaslExchange> steps =
      make_exchange(*mechanism, std::move(terms));
  co_return co_await exchange(*mechanism, std::move(steps));
}

Task<std::optional<Failure>> Login::exchange(
    std::string mechanism, std::unique_ptr<SaslExchange> exchange) {
  Channel& channel = connection_.channel();
  const Millis limit = around_.settings.limits.helo;
  connection_.doing("performing SASL authentication");
  std::string command = "AUTH " + mechanism;
  if (const std::optional<std::string> first = exchange->first())
    command += " " + (first->empty() ? "=" : base64_encode(*first));
  channel.ask(command);
  mail::ParsedReply reply = co_await channel.answer(limit);
  for (int i = 0; reply.code / 100 == 3; ++i) {
    const std::optional<std::string> challenge = challenge_in(reply);
    Result<std::string> response =
        challenge && i < most_challenges
            ? exchange->next(*challenge)
            : Result<std::string>(try_later("7.0", "bad challenge"));
    if (!response) {
      // The dialogue ends here (RFC 4954 4); what the server makes of it does
      // not matter any more.
      channel.ask("*");
      reply = co_await channel.answer(limit);
      co_return cannot(response.trouble().text);
    }
    channel.ask(base64_encode(*response));
    reply = co_await channel.answer(limit);
  }
  if (reply.code / 100 != 2) co_return refused(reply);
  if (!exchange->server_proven())
    co_return cannot("the server has not proved that it knows the password");
  co_return std::nullopt;
}

Failure Login::refused(const mail::ParsedReply& reply) {
  const Target& target = connection_.target();
  Failure failure = said(target, reply, "");
  failure.text = fmt::format("SASL authentication failed; server {} said: {}",
                             target.name(), failure.diagnostic);
  failure.of_destination = true;
  if (reply.code == refused_for_good && settings_.remember_refusals)
    around_.logins.keep(target.host, who_,
                        {failure.status, failure.diagnostic},
                        Clock::now() + settings_.remember_for);
  if (settings_.soft_bounce)
    failure.status = mail::soften_status(failure.status);
  return failure;
}

}  // namespace postern::smtp
