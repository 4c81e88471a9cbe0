// What is known of a TLS connection once its handshake is over: for log lines,
// Received headers, access decisions and SASL.
#pragma once

#include <string>
#include <vector>

namespace postern::tls {

// The peer's certificate; all empty where it sent none.
struct PeerCertificate {
  bool present = false;
  // Its chain ends at an authority that we trust, and nothing is wrong with
  // it. Says nothing of names.
  bool trusted = false;
  // Why not: "self-signed certificate", "certificate has expired".
  std::string fault;
  std::string subject;  // common name, UTF-8 made harmless
  std::string issuer;   // common name or organisation of the issuer
  // "AB:CD:…" by the configured digest: of the certificate, and of its key.
  std::string fingerprint;
  std::string key_fingerprint;
  // DNS names of subjectAltName; without any, the common name.
  std::vector<std::string> names;
};

// One side's signature of the handshake (TLS 1.3 only).
struct SignatureFacts {
  std::string name;    // "RSA-PSS", "ECDSA", "ED25519"
  std::string curve;   // "prime256v1"
  int bits = 0;        // where there is no curve
  std::string digest;  // "SHA256"
};

struct Facts {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  int used_bits = 0, algorithm_bits = 0;
  // TLS 1.3 only.
  std::string exchange, exchange_curve;
  int exchange_bits = 0;
  SignatureFacts server_signature, client_signature;

  bool resumed = false;
  std::string server_name;  // asked for by the client and served
  PeerCertificate peer;

  // For a client: how the certificate was matched (fingerprint, TLSA, name).
  bool matched = false;
  std::string matched_by;  // "fingerprint", "TLSA 3 1 1", the name

  // Channel bindings (RFC 5929 tls-server-end-point and tls-unique, RFC 9266
  // tls-exporter); empty where the connection has none.
  std::string server_end_point;
  std::string exporter;  // from TLS 1.3 on
  std::string unique;    // up to TLS 1.2
};

// "TLSv1.3 with cipher X (256/256 bits) key-exchange … server-digest SHA256".
std::string summary(const Facts& facts);

// "Anonymous TLS connection established from peer[addr]: …"; `direction` is
// "from" or "to". "Verified" is for clients whose server matched.
std::string connection_line(const Facts& facts, const std::string& direction,
                            const std::string& peer);

// "ECDHE (prime256v1)", "RSA-PSS (2048 bits)", "X25519".
std::string sized(const std::string& name, const std::string& curve, int bits);

}  // namespace postern::tls
