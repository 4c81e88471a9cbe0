// The Received header that each message gets on its way in (RFC 5321 section
// 4.4, protocol names of RFC 3848 and RFC 6531).
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace postern::mail {

// "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPS"... Only ESMTP tells of TLS,
// authentication and SMTPUTF8.
std::string protocol_name(bool esmtp, bool tls, bool authenticated, bool utf8);

// What a session tells about its TLS (smtpd_tls_received_header).
struct TlsTrace {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;
  int used_bits = 0;
  int algorithm_bits = 0;
  // Empty where the protocol version does not tell.
  std::string key_exchange;      // "X25519", "ECDHE (P-256)"
  std::string server_signature;  // "RSA-PSS (2048 bits)"
  std::string server_digest;     // "SHA256"
  std::string client_signature;
  std::string client_digest;

  enum class Client { not_asked, none, verified, unverified };
  Client client = Client::not_asked;
  std::string client_name;    // common name of the certificate
  std::string client_issuer;  // and of who issued it
};

struct ReceivedFrom {
  std::string helo;     // as given; the client's name when there was none
  std::string name;     // the client's verified name, or "unknown"
  std::string address;  // "127.0.0.1" or "::1"
  std::string protocol = "ESMTP";
  std::optional<TlsTrace> tls;
  std::string authenticated;  // smtpd_sasl_authenticated_header; "" for none
};

struct Received {
  std::string hostname;  // myhostname
  std::string mail_name = "Postfix";
  std::string queue_id;  // "": not known yet
  std::time_t when = 0;
  std::optional<ReceivedFrom> from;      // of a message from a network client
  std::optional<std::uint32_t> user_id;  // of one from a local user
  // The only recipient, internal form; "" when there are several.
  std::string recipient;
};

// The whole header, folded, no line end at its end.
std::string received_header(const Received& received);

}  // namespace postern::mail
