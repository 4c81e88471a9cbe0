#include "smtp/tls_client.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

void add_references(const TlsPolicy& policy, tls::Wish& wish) {
  if (policy.level == TlsLevel::fingerprint) {
    wish.fingerprints = policy.match;
  } else if (by_dane(policy.level)) {
    for (const Tlsa& one : policy.tlsa)
      wish.tlsa.push_back({one.usage, one.selector, one.matching, one.data});
    wish.names = policy.match;
  } else if (by_authorities(policy.level)) {
    wish.names = policy.match;
  }
}

// Trouble: main.conf or a policy table has words that OpenSSL cannot act on.
Status add_strength(const TlsPolicy& policy, const tls::CommonSettings& common,
                    tls::Wish& wish) {
  const Result<tls::Protocols> protocols =
      tls::parse_protocols(policy.protocols);
  if (!protocols) return protocols.trouble();
  wish.protocols = *protocols;
  Result<std::string> ciphers =
      tls::cipher_list(common.grades, policy.ciphers, policy.exclude);
  if (!ciphers) return ciphers.trouble();
  wish.ciphers = std::move(*ciphers);
  return {};
}

// By server and everything that a session with it was held to: what was good
// enough for one policy is not resumed under another.
std::string session_key(const Target& target, const Settings& settings,
                        const TlsPolicy& policy, const std::string& basis) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", target.name_and_port(),
                     settings.helo_name, basis,
                     settings.tls.wildcard_for_several_labels,
                     policy.identity());
}

}  // namespace

TlsClient::TlsClient(std::shared_ptr<tls::ClientContext> context,
                     const Settings& settings, Resolver& resolver,
                     TlsSessions* sessions)
    : context_(std::move(context)),
      settings_(settings),
      resolver_(resolver),
      sessions_(sessions) {}

Task<Result<tls::Facts>> TlsClient::start(Stream* stream, Target target,
                                          TlsPolicy policy) {
  const log::Log& log = context_->log();
  tls::Wish wish;
  wish.peer = target.name_and_port();
  wish.server_name = policy.servername;
  wish.wildcard_for_several_labels = settings_.tls.wildcard_for_several_labels;
  wish.log_untrusted = requires_match(policy.level);
  wish.forgeable = policy.level == TlsLevel::half_dane;
  add_references(policy, wish);
  const Status strength =
      add_strength(policy, context_->settings().common, wish);
  if (!strength) {
    log.warning("{}: {}: aborting TLS session", wish.peer,
                strength.trouble().text);
    co_return strength.trouble();
  }
  for (const std::string& path : policy.trust_anchor_files) {
    ipc::FileFind question;
    question.path = path;
    question.what = "certificates";
    Result<std::string> anchors = co_await resolver_.file(std::move(question));
    if (!anchors) {
      log.warning("{}: cannot load trust anchors: {}", wish.peer,
                  anchors.trouble().text);
      co_return anchors.trouble();
    }
    wish.trust_anchors += *anchors;
  }
  const Status prepared = co_await context_->prepare();
  if (!prepared) {
    log.warning("{}: {}", wish.peer, prepared.trouble().text);
    co_return prepared.trouble();
  }
  const std::string key =
      session_key(target, settings_, policy, context_->session_basis());
  co_await add_session(&key, &wish);
  const bool resuming = !wish.session.empty();
  Result<tls::Facts> facts = co_await tls::connect(
      stream, context_, std::move(wish), settings_.limits.starttls);
  // It may be what the server cannot digest.
  if (!facts && resuming) keep(key, "");
  co_return std::move(facts);
}

Task<void> TlsClient::add_session(const std::string* key, tls::Wish* wish) {
  if (sessions_ == nullptr || !settings_.resume_tls) co_return;
  const log::Log* log = nullptr;
  if (context_->settings().common.log_level >= 2) log = &context_->log();
  if (log) log->info("looking for session {} in {} cache", wish->peer, cache());
  wish->session = co_await sessions_->find(*key);
  if (log && !wish->session.empty())
    log->info("reloaded session {} from {} cache", wish->peer, cache());
  wish->keep = [this, key = *key](std::string session) {
    keep(key, std::move(session));
  };
}

void TlsClient::keep(const std::string& key, std::string session) {
  if (context_->settings().common.log_level >= 2)
    context_->log().info("{} session {} {} {} cache",
                         session.empty() ? "remove" : "save",
                         key.substr(0, key.find('\n')),
                         session.empty() ? "from" : "to", cache());
  sessions_->keep(key, std::move(session));
}

}  // namespace postern::smtp
