// smtp_tls_* and lmtp_tls_*, as Settings.
#include <fmt/format.h>

#include "smtp/settings.h"
#include "smtp/twins.h"

namespace postern::smtp {
namespace {

Trouble invalid(const Twins& twins, std::string_view rest,
                std::string_view value, std::string_view what) {
  return give_up("3.5", fmt::format("invalid {} value: \"{}\": {}",
                                    twins.name(rest), value, what));
}

// smtp_tls_security_level, or what smtp_use_tls and smtp_enforce_tls said
// before there was one.
Result<TlsLevel> read_level(const Twins& twins) {
  const std::string word = twins.text("tls_security_level");
  if (!word.empty()) {
    const auto level = parse_tls_level(word);
    if (level) return *level;
    return invalid(twins, "tls_security_level", word,
                   "specify none, may, encrypt, dane, dane-only, fingerprint, "
                   "verify or secure");
  }
  if (twins.flag("enforce_tls"))
    return twins.flag("tls_enforce_peername") ? TlsLevel::verify
                                              : TlsLevel::encrypt;
  return twins.flag("use_tls") ? TlsLevel::may : TlsLevel::none;
}

// LMTP has no parameter of its own for the MX records that it does not use.
Result<TlsLevel> read_insecure_mx(const config::Config& config,
                                  const Twins& twins, bool lmtp) {
  if (lmtp) return TlsLevel::dane;
  const std::string word = config.text("smtp_tls_dane_insecure_mx_policy");
  const auto level = parse_tls_level(word);
  if (level && (*level == TlsLevel::may || *level == TlsLevel::encrypt ||
                *level == TlsLevel::dane))
    return *level;
  return invalid(twins, "tls_dane_insecure_mx_policy", word,
                 "specify may, encrypt or dane");
}

void read_matching(const Twins& twins, TlsSettings& out) {
  constexpr std::string_view separators = ", \t\r\n:";
  out.verify_match = split_words(twins.text("tls_verify_cert_match"), separators);
  out.secure_match = split_words(twins.text("tls_secure_cert_match"), separators);
  // Colons stand within fingerprints.
  out.fingerprint_match =
      split_words(twins.text("tls_fingerprint_cert_match"), ", \t\r\n|");
}

void read_strength(const Twins& twins, TlsSettings& out) {
  out.protocols = twins.text("tls_protocols");
  out.ciphers = twins.text("tls_ciphers");
  out.exclude_ciphers = twins.text("tls_exclude_ciphers");
  out.mandatory_protocols = twins.text("tls_mandatory_protocols");
  out.mandatory_ciphers = twins.text("tls_mandatory_ciphers");
  out.mandatory_exclude_ciphers = twins.text("tls_mandatory_exclude_ciphers");
}

}  // namespace

Status read_tls_settings(const config::Config& config, bool lmtp,
                         Settings& settings) {
  const Twins twins(config, lmtp);
  TlsSettings& out = settings.tls;
  const Result<TlsLevel> level = read_level(twins);
  if (!level) return level.trouble();
  out.level = *level;
  const Result<TlsLevel> insecure = read_insecure_mx(config, twins, lmtp);
  if (!insecure) return insecure.trouble();
  out.insecure_mx = *insecure;

  out.policy_maps = twins.text("tls_policy_maps");
  // Levels by site in its own words would be forgotten otherwise, and mail
  // would go out with less than was asked for.
  if (!twins.text("tls_per_site").empty())
    return give_up(
        "3.5", fmt::format("{} is no longer supported: move its entries to a "
                           "table for {} and remove it",
                           twins.name("tls_per_site"),
                           twins.name("tls_policy_maps")));
  read_matching(twins, out);
  read_strength(twins, out);
  out.servername = twins.text("tls_servername");
  out.wildcard_for_several_labels =
      config.get<"tls_wildcard_matches_multiple_labels">();
  out.connection_reuse = twins.flag("tls_connection_reuse");
  out.wrappermode = twins.flag("tls_wrappermode");
  out.note_starttls_offer = twins.flag("tls_note_starttls_offer");
  out.block_early_mail_reply = twins.flag("tls_block_early_mail_reply");
  out.force_insecure_host = twins.flag("tls_force_insecure_host_tlsa_lookup");
  out.dnssec = settings.use_dnssec;

  settings.resume_tls = !twins.text("tls_session_cache_database").empty() &&
                        twins.time("tls_session_cache_timeout") > Millis(0);
  settings.dane_digests = split_words(config.get<"tls_dane_digests">());
  settings.plaintext_patience = config.get<"minimal_backoff_time">();
  return {};
}

}  // namespace postern::smtp
