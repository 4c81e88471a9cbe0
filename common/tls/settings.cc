#include "common/tls/settings.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::tls {
namespace {

struct Bit {
  std::string_view name;
  std::uint64_t value;
};

// postconf(5), tls_ssl_options.
constexpr Bit option_bits[] = {
    {"ENABLE_MIDDLEBOX_COMPAT", SSL_OP_ENABLE_MIDDLEBOX_COMPAT},
    {"LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT},
    {"NO_COMPRESSION", SSL_OP_NO_COMPRESSION},
    {"NO_ENCRYPT_THEN_MAC", SSL_OP_NO_ENCRYPT_THEN_MAC},
    {"NO_RENEGOTIATION", SSL_OP_NO_RENEGOTIATION},
    {"NO_SESSION_RESUMPTION_ON_RENEGOTIATION",
     SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION},
    {"NO_TICKET", SSL_OP_NO_TICKET},
    {"PRIORITIZE_CHACHA", SSL_OP_PRIORITIZE_CHACHA},
    {"TLSEXT_PADDING", SSL_OP_TLSEXT_PADDING},
};

// postconf(5), tls_disable_workarounds: what SSL_OP_ALL switches on, and names
// of older versions that stand for nothing any more.
constexpr Bit workaround_bits[] = {
    {"ALLOW_NO_DHE_KEX", SSL_OP_ALLOW_NO_DHE_KEX},
    {"CRYPTOPRO_TLSEXT_BUG", SSL_OP_CRYPTOPRO_TLSEXT_BUG},
    {"DONT_INSERT_EMPTY_FRAGMENTS", SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS},
    {"LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT},
    {"MICROSOFT_BIG_SSLV3_BUFFER", 0},
    {"MICROSOFT_SESS_ID_BUG", 0},
    {"MSIE_SSLV2_RSA_PADDING", 0},
    {"NETSCAPE_CHALLENGE_BUG", 0},
    {"NETSCAPE_REUSE_CIPHER_CHANGE_BUG", 0},
    {"NO_TLSEXT_PADDING", SSL_OP_TLSEXT_PADDING},
    {"SAFARI_ECDHE_ECDSA_BUG", SSL_OP_SAFARI_ECDHE_ECDSA_BUG},
    {"SSLEAY_080_CLIENT_DH_BUG", 0},
    {"SSLREF2_REUSE_CERT_TYPE_BUG", 0},
    {"TLSEXT_PADDING", SSL_OP_TLSEXT_PADDING},
    {"TLS_BLOCK_PADDING_BUG", 0},
    {"TLS_D5_BUG", 0},
    {"TLS_ROLLBACK_BUG", SSL_OP_TLS_ROLLBACK_BUG},
};

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  if (!starts_with_nocase(text, "0x") || text.size() < 3 || text.size() > 18)
    return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(2)) {
    const char low = lower(c);
    if (is_digit(low)) value = value * 16 + static_cast<unsigned>(low - '0');
    else if (low >= 'a' && low <= 'f')
      value = value * 16 + static_cast<unsigned>(low - 'a' + 10);
    else return std::nullopt;
  }
  return value;
}

template <std::size_t N>
Result<std::uint64_t> bits_of(std::string_view list, const Bit (&bits)[N]) {
  std::uint64_t out = 0;
  for (const std::string& word : split_words(list)) {
    if (const auto number = hexadecimal(word)) {
      out |= *number;
      continue;
    }
    const Bit* found =
        std::find_if(std::begin(bits), std::end(bits), [&](const Bit& bit) {
          return equal_nocase(bit.name, word);
        });
    if (found == std::end(bits))
      return give_up("3.5", "\"" + word + "\" is no option of OpenSSL");
    out |= found->value;
  }
  return out;
}

// Collects what is wrong: the first fault keeps TLS from being offered.
class Reader {
 public:
  Reader(const config::Config& config, std::string prefix)
      : config_(config), prefix_(std::move(prefix)) {}

  std::string name(const char* rest) const { return prefix_ + rest; }
  std::string text(const char* rest) const { return config_.text(name(rest)); }
  bool flag(const char* rest) const { return config_.boolean(name(rest)); }
  void fail(const std::string& parameter, const std::string& why) {
    if (fault.empty()) fault = parameter + ": " + why;
  }
  template <class T>
  T taken(const std::string& parameter, Result<T> result) {
    if (result) return std::move(*result);
    fail(parameter, result.trouble().text);
    return T{};
  }

  CommonSettings common() {
    CommonSettings c;
    c.grades = {config_.get<"tls_high_cipherlist">(),
                config_.get<"tls_medium_cipherlist">(),
                config_.get<"tls_low_cipherlist">(),
                config_.get<"tls_export_cipherlist">(),
                config_.get<"tls_null_cipherlist">()};
    c.options_on = taken("tls_ssl_options",
                         parse_options(config_.text("tls_ssl_options")));
    c.options_off =
        taken("tls_disable_workarounds",
              parse_workarounds(config_.get<"tls_disable_workarounds">()));
    c.ca_file = text("_tls_CAfile");
    c.ca_path = text("_tls_CApath");
    c.append_default_ca = config_.get<"tls_append_default_CA">();
    const std::string digest = name("_tls_fingerprint_digest");
    c.digest = taken(digest, known_digest(config_.text(digest)));
    c.legacy_key_digest =
        config_.get<"tls_legacy_public_key_fingerprints">();
    const std::string level = text("_tls_loglevel");
    const std::optional<std::int64_t> number = parse_number(trim(level));
    if (!number || *number < 0)
      remarks.push_back(name("_tls_loglevel") + ": \"" + level +
                        "\" is not a number from 0 to 4; 0 is used");
    else
      c.log_level = static_cast<int>(std::min<std::int64_t>(*number, 4));
    c.curves = join(split_words(config_.get<"tls_eecdh_auto_curves">() + " " +
                                    config_.get<"tls_ffdhe_auto_groups">(),
                                ", \t\r\n:"),
                    ":");
    return c;
  }

  std::string fault;
  std::vector<std::string> remarks;

 private:
  const config::Config& config_;
  std::string prefix_;
};

void read_level(ServerSettings& s, Reader& reader,
                const config::Config& config) {
  const std::string level = to_lower(trim(reader.text("_tls_security_level")));
  s.wrapper = config.get<"smtpd_tls_wrappermode">();
  if (level.empty()) {
    s.required = config.get<"smtpd_enforce_tls">();
    s.offered = s.required || config.get<"smtpd_use_tls">();
  } else if (level == "encrypt") {
    s.offered = s.required = true;
  } else if (level == "may") {
    s.offered = true;
  } else if (level != "none") {
    // Levels of clients: as much as a server can do for them.
    const bool of_client = level == "fingerprint" || level == "verify" ||
                           level == "secure" || level == "dane" ||
                           level == "dane-only";
    s.offered = s.required = true;
    reader.remarks.push_back(
        "smtpd_tls_security_level: " +
        (of_client ? "level \"" + level + "\" is one of clients"
                   : "\"" + level + "\" is none of none, may, encrypt") +
        "; encrypt is used");
  }
  if (s.wrapper) s.offered = s.required = true;
}

void read_certificates_asked(ServerSettings& s, Reader& reader) {
  s.require_certificate = reader.flag("_tls_req_ccert");
  if (s.require_certificate && !s.required) {
    reader.remarks.push_back(
        "smtpd_tls_req_ccert has no effect where TLS is not required "
        "(smtpd_tls_security_level = encrypt)");
    s.require_certificate = false;
  }
  s.ask_certificate = s.require_certificate || reader.flag("_tls_ask_ccert");
}

void read_curves(ServerSettings& s, Reader& reader,
                 const config::Config& config) {
  const std::string grade = to_lower(config.get<"smtpd_tls_eecdh_grade">());
  if (grade == "none") s.common.no_curves = true;
  else if (grade == "strong")
    s.common.curves = config.get<"tls_eecdh_strong_curve">();
  else if (grade == "ultra")
    s.common.curves = config.get<"tls_eecdh_ultra_curve">();
  else if (grade != "auto")
    reader.remarks.push_back("smtpd_tls_eecdh_grade: \"" + grade +
                             "\" is none of auto, none, strong, ultra; auto is "
                             "used");
}

void read_ciphers(ServerSettings& s, Reader& reader) {
  const std::string protocols =
      s.required ? "_tls_mandatory_protocols" : "_tls_protocols";
  s.protocols = reader.taken(reader.name(protocols.c_str()),
                             parse_protocols(reader.text(protocols.c_str())));
  const std::string grade = s.required ? "_tls_mandatory_ciphers"
                                       : "_tls_ciphers";
  std::string exclusions = reader.text("_tls_exclude_ciphers");
  if (s.required)
    exclusions += " " + reader.text("_tls_mandatory_exclude_ciphers");
  if (s.ask_certificate) exclusions += " aNULL";
  if (s.common.no_curves) exclusions += " kEECDH";
  // Plain RSA key exchange needs the private key for more than signatures,
  // and has no forward secrecy.
  exclusions += " kRSA";
  s.ciphers = reader.taken(
      reader.name(grade.c_str()),
      cipher_list(s.common.grades, reader.text(grade.c_str()), exclusions));
}

// RFC 5077 leaves the cipher to the server: CBC, blocks of 16 bytes.
Result<std::string> known_ticket_cipher(const std::string& name) {
  if (name.empty()) return std::string();
  const EVP_CIPHER* cipher = EVP_get_cipherbyname(name.c_str());
  if (cipher == nullptr || EVP_CIPHER_get_mode(cipher) != EVP_CIPH_CBC_MODE ||
      EVP_CIPHER_get_block_size(cipher) != 16 ||
      EVP_CIPHER_get_key_length(cipher) > 32)
    return give_up("3.5", "\"" + name +
                              "\" is no cipher for session tickets; use "
                              "aes-256-cbc");
  return name;
}

void remark_dsa(Reader& reader, const char* parameter) {
  if (!reader.text(parameter).empty())
    reader.remarks.push_back(reader.name(parameter) +
                             ": DSA certificates are no longer of use and are "
                             "ignored; take the line out");
}

}  // namespace

Result<std::string> known_digest(const std::string& name) {
  const std::string word(trim(name));
  if (word.empty() || EVP_get_digestbyname(word.c_str()) == nullptr)
    return give_up("3.5", "\"" + word + "\" is no digest that OpenSSL knows; "
                                        "use sha256");
  return word;
}

Result<std::uint64_t> parse_options(std::string_view list) {
  return bits_of(list, option_bits);
}

Result<std::uint64_t> parse_workarounds(std::string_view list) {
  return bits_of(list, workaround_bits);
}

ServerSettings ServerSettings::read(const config::Config& config) {
  Reader reader(config, "smtpd");
  ServerSettings s;
  s.common = reader.common();
  s.common.verify_depth =
      static_cast<int>(config.get<"smtpd_tls_ccert_verifydepth">());
  read_level(s, reader, config);
  read_certificates_asked(s, reader);
  read_curves(s, reader, config);
  read_ciphers(s, reader);
  s.received_header = config.get<"smtpd_tls_received_header">();
  s.preempt_ciphers = config.get<"tls_preempt_cipherlist">();
  s.by_name = !config.text("tls_server_sni_maps").empty();
  s.no_certificate = config.get<"smtpd_tls_cert_file">() == "none";
  s.dh_file = config.get<"smtpd_tls_dh1024_param_file">();
  s.session_lifetime = config.get<"smtpd_tls_session_cache_timeout">();
  s.keep_sessions = !config.text("smtpd_tls_session_cache_database").empty() &&
                    s.session_lifetime > Millis(0);
  s.session_ids =
      s.keep_sessions || config.get<"smtpd_tls_always_issue_session_ids">();
  s.ticket_cipher = reader.taken("tls_session_ticket_cipher",
                                 known_ticket_cipher(
                                     config.get<"tls_session_ticket_cipher">()));
  s.handshake_limit = config.get<"smtpd_starttls_timeout">();
  s.scope = config.text("service_name");
  remark_dsa(reader, "_tls_dcert_file");
  if (!s.offered) return s;
  s.fault = std::move(reader.fault);
  s.remarks = std::move(reader.remarks);
  return s;
}

ClientSettings ClientSettings::read(const config::Config& config,
                                    const std::string& prefix) {
  Reader reader(config, prefix);
  ClientSettings s;
  s.common = reader.common();
  s.common.verify_depth = static_cast<int>(
      config.number(prefix + "_tls_scert_verifydepth", 9));
  s.trust_anchor_file = reader.text("_tls_trust_anchor_file");
  for (const char* each :
       {"_tls_chain_files", "_tls_cert_file", "_tls_eccert_file"})
    s.has_certificate = s.has_certificate || !reader.text(each).empty();
  remark_dsa(reader, "_tls_dcert_file");
  s.fault = std::move(reader.fault);
  s.remarks = std::move(reader.remarks);
  return s;
}

}  // namespace postern::tls
