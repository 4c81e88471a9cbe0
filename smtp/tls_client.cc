#include "smtp/tls_client.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/tls/handshake.h"

namespace postern::smtp {
namespace {

constexpr std::size_t most_sessions = 5'000;

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

}  // namespace

TlsClient::TlsClient(std::shared_ptr<tls::ClientContext> context,
                     const Settings& settings, Resolver& resolver)
    : context_(std::move(context)),
      settings_(settings),
      resolver_(resolver) {}

Task<Result<tls::Facts>> TlsClient::start(Stream* stream, Target target,
                                          TlsPolicy policy) {
  const log::Log& log = context_->log();
  tls::Wish wish;
  wish.peer = target.name_and_port();
  wish.server_name = policy.servername;
  wish.wildcard_for_several_labels = settings_.tls.wildcard_for_several_labels;
  wish.log_untrusted = requires_match(policy.level);
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
  const std::string key = fmt::format("{}\n{}\n{}", wish.peer,
                                      settings_.helo_name, policy.identity());
  if (settings_.tls_session_lifetime > Millis(0)) {
    wish.session = session_for(key);
    wish.keep = [this, key](std::string session) {
      keep(key, std::move(session));
    };
  }
  const Status prepared = co_await context_->prepare();
  if (!prepared) {
    log.warning("{}: {}", wish.peer, prepared.trouble().text);
    co_return prepared.trouble();
  }
  Result<tls::Facts> facts = co_await tls::connect(
      stream, context_, std::move(wish), settings_.limits.starttls);
  if (!facts) sessions_.erase(key);
  co_return std::move(facts);
}

std::string TlsClient::session_for(const std::string& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return {};
  if (found->second.until > Clock::now()) return found->second.session;
  sessions_.erase(found);
  return {};
}

void TlsClient::keep(const std::string& key, std::string session) {
  if (sessions_.size() >= most_sessions) sessions_.clear();
  sessions_[key] = {std::move(session),
                    Clock::now() + settings_.tls_session_lifetime};
}

}  // namespace postern::smtp
