// AUTH (RFC 4954). The exchange itself is between the client and whoever knows
// the passwords; this server carries it, and decides who may have one.
#include <fmt/format.h>

#include "common/base/text.h"
#include "smtpd/session.h"

namespace postern::smtpd {
namespace {

// How long a greeting waits for the authentication server to be reached, and
// how long the reply to EHLO does.
constexpr Millis before_greeting = Seconds(1);
constexpr Millis before_ehlo = Seconds(10);
// At most so often new sessions make a lost connection anew.
constexpr Millis between_refreshes = Seconds(10);

const std::string& or_else(const std::string& text, const std::string& other) {
  return text.empty() ? other : text;
}

const std::string no_reason = "(reason unavailable)";
const std::string no_name = "(unavailable)";

// Whom a certificate names that we trust.
std::optional<std::string> trusted_name(const tls::Facts& facts) {
  if (!facts.peer.trusted || facts.peer.subject.empty()) return std::nullopt;
  return facts.peer.subject;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  for (const std::string& each : words)
    if (equal_nocase(each, word)) return true;
  return false;
}

// Postfix's words: those of the Cyrus library, or its own.
std::string undecodable(const SaslSettings& sasl, const char* which) {
  if (sasl.type_name == "cyrus") return "bad protocol / cancel";
  return fmt::format("Invalid base64 data in {} response", which);
}

// A client that could bind, and was not offered it, says so; to a server that
// has the binding this looks like an offer that somebody took out (RFC 5802
// section 6). So the server hears of it only where it is offered.
bool offers_binding(const std::vector<std::string>& names) {
  for (const std::string& each : names)
    if (each.ends_with("-PLUS")) return true;
  return false;
}

}  // namespace

// Is AUTH a command in this session as it is now?
bool Session::takes_auth() const {
  const SaslSettings& sasl = settings_->sasl;
  return sasl.enabled && keeps(keyword_auth) &&
         (!(sasl.tls_only || settings_->tls.required) || encrypted());
}

SessionMeans Session::means() const {
  SessionMeans means;
  if (!facts_.tls) return means;
  means.encrypted = true;
  means.channel_binding =
      !facts_.tls->server_end_point.empty() ||
      !facts_.tls->exporter.empty() || !facts_.tls->unique.empty();
  means.client_certificate = trusted_name(*facts_.tls).has_value();
  return means;
}

// A client is not let in while nobody knows how it could log in: it would take
// that for a refusal of its password. Where the mechanisms were known once,
// or the server only is slow, the session goes on. False: it has been ended.
Task<bool> Session::reach_authentication() {
  AuthService& auth = surroundings_.authentication();
  if (!takes_auth()) co_return true;
  if (!auth.mechanisms().empty()) {
    auth.refresh(between_refreshes);
    co_return true;
  }
  const bool reached = co_await auth.reach(before_greeting);
  if (reached ? !auth.mechanisms().empty() : auth.connecting())
    co_return true;
  // As Postfix says it; but this process goes on.
  log_.write(log::Severity::fatal, "no SASL authentication mechanisms");
  unlogged_end_ = true;
  co_await reply(fmt::format(
      "421 4.3.0 {} Error: authentication service is not available",
      settings_->myhostname));
  co_return false;
}

// The mechanisms that this session may use now, in the server's order.
Task<std::vector<std::string>> Session::offered_mechanisms(Millis limit) {
  std::vector<std::string> offered;
  AuthService& auth = surroundings_.authentication();
  if (!takes_auth()) co_return offered;
  if (auth.mechanisms().empty()) {
    co_await auth.reach(limit);
  }
  const SessionMeans have = means();
  std::vector<std::string> suitable;
  for (const Mechanism& each : auth.mechanisms())
    if (suits(each, settings_->sasl, have)) suitable.push_back(each.name);
  for (const std::string& name : suitable) {
    const bool chosen = co_await access_.matches(
        &settings_->sasl.mechanism_filter, name, "");
    if (chosen) offered.push_back(name);
  }
  co_return offered;
}

// The lines of EHLO's reply about log-ins.
Task<std::vector<std::string>> Session::auth_keywords() {
  std::vector<std::string> lines;
  if (!takes_auth()) co_return lines;
  const bool excepted = co_await access_.in_list(&settings_->sasl.exceptions);
  if (excepted) co_return lines;
  const std::vector<std::string> names =
      co_await offered_mechanisms(before_ehlo);
  if (names.empty()) co_return lines;
  lines.push_back("AUTH " + join(names, " "));
  if (settings_->sasl.old_announcement)
    lines.push_back("AUTH=" + join(names, " "));
  co_return lines;
}

Task<bool> Session::auth(CommandLine line) {
  Refusal refused = co_await over_rate("auth", settings_->sasl.rate_limit,
                                       "AUTH command",
                                       "too many AUTH commands");
  if (refused) {
    co_await reply(std::move(*refused));
    co_return false;
  }
  if (settings_->helo_required && !facts_.helo) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: send HELO/EHLO first");
  }
  if (!takes_auth()) {
    co_return co_await refuse(
        Fault::protocol, "503 5.5.1 Error: authentication not enabled");
  }
  if (in_transaction()) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: MAIL transaction in progress");
  }
  if (facts_.login) {
    co_return co_await refuse(Fault::protocol,
                              "503 5.5.1 Error: already authenticated");
  }
  if (line.words.empty() || line.words.size() > 2) {
    co_return co_await refuse(Fault::protocol,
                              "501 5.5.4 Syntax: AUTH mechanism");
  }
  std::string method = line.words[0];
  std::optional<std::string> initial;
  if (line.words.size() == 2) initial = std::move(line.words[1]);
  co_return co_await authenticate(std::move(method), std::move(initial));
}

AuthStart Session::auth_start(const std::string& method) const {
  AuthStart start;
  start.mechanism = method;
  start.service = settings_->sasl.service;
  start.local_address = facts_.client.server_address;
  start.local_port = facts_.client.server_port;
  start.remote_address = facts_.client.address;
  start.remote_port = facts_.client.port;
  start.secured = encrypted();
  if (facts_.tls) start.certificate_name = trusted_name(*facts_.tls);
  return start;
}

// Challenges and responses until the server has decided.
Task<bool> Session::authenticate(std::string method,
                                 std::optional<std::string> initial) {
  const std::vector<std::string> names =
      co_await offered_mechanisms(before_ehlo);
  AuthService& service = surroundings_.authentication();
  AuthReply answer;
  auto exchange = std::make_unique<AuthExchange>(service);
  if (service.mechanisms().empty()) {
    answer.what = AuthReply::What::temporary;
  } else if (!contains(names, method)) {
    answer.what = AuthReply::What::failure;
    answer.text = "Invalid authentication mechanism";
  } else if (initial && *initial != "=" && !is_base64(*initial)) {
    answer.what = AuthReply::What::failure;
    answer.text = undecodable(settings_->sasl, "initial");
  } else {
    AuthStart start = auth_start(method);
    if (facts_.tls && offers_binding(names)) {
      start.server_end_point = facts_.tls->server_end_point;
      start.exporter = facts_.tls->exporter;
      start.unique = facts_.tls->unique;
    }
    // RFC 4954 section 4: "=" is a response of no bytes.
    if (initial) start.initial = *initial == "=" ? "" : *initial;
    answer = co_await exchange->first(std::move(start));
  }
  while (answer.what == AuthReply::What::challenge) {
    co_await reply("334 " + answer.text);
    std::optional<std::string> response = co_await read_response();
    if (!response) co_return false;
    if (*response == "*") {
      log_.warning("{}: SASL {:.100} authentication aborted",
                   facts_.client.shown(), printable(method));
      co_return co_await refuse(Fault::none,
                                "501 5.7.0 Authentication aborted");
    }
    if (is_base64(*response)) {
      answer = co_await exchange->next(std::move(*response));
    } else {
      answer = {AuthReply::What::failure,
                undecodable(settings_->sasl, "continued"), ""};
    }
  }
  co_return co_await conclude(std::move(method), std::move(answer));
}

Task<bool> Session::conclude(std::string method, AuthReply answer) {
  if (answer.what == AuthReply::What::success && !answer.user.empty()) {
    facts_.login = std::make_unique<Login>(
        Login{std::move(method), std::move(answer.user)});
    co_await reply("235 2.7.0 Authentication successful");
    co_return true;
  }
  const std::string reason = printable_utf8(or_else(answer.text, no_reason));
  log_.warning("{}: SASL {:.100} authentication failed: {}, "
               "sasl_username={:.100}",
               facts_.client.shown(), printable(method), reason,
               printable_utf8(or_else(answer.user, no_name)));
  if (answer.what == AuthReply::What::temporary) {
    co_return co_await refuse(
        Fault::none,
        "454 4.7.0 Temporary authentication failure: " + reason);
  }
  co_return co_await refuse(
      Fault::none, "535 5.7.8 Error: authentication failed: " + reason);
}

// A line of the exchange; nullopt: it was refused, and the exchange is over.
Task<std::optional<std::string>> Session::read_response() {
  LineRead read = co_await read_line(settings_->sasl.response_limit, true);
  if (bare_command_ && bare_newline_ == BareNewline::reject) {
    co_await refuse_bare_line();
    co_return std::nullopt;
  }
  if (!read.cut) co_return std::move(read.text);
  co_await refuse(Fault::protocol, "500 5.5.6 SASL response limit exceeded");
  co_return std::nullopt;
}

}  // namespace postern::smtpd
