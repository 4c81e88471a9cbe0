// A TLS handshake as one wait. What is logged about it is logged here, in
// Postfix's words (smtpd_tls_loglevel, smtp_tls_loglevel).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/loop/stream.h"
#include "common/tls/context.h"
#include "common/tls/facts.h"

namespace postern::tls {

// As a server, after context->prepare(). Nothing may be left in the stream's
// buffers: what came before the handshake is not part of it. On success the
// stream speaks TLS. Trouble: the handshake failed (logged already), and the
// connection is of no more use. `peer` is "name[address]".
Task<Result<Facts>> accept(Stream* stream,
                           std::shared_ptr<ServerContext> context,
                           std::string peer, Millis limit);

// A TLSA record (RFC 6698), `data` as bytes.
struct Tlsa {
  int usage = 0, selector = 0, matching = 0;
  std::string data;
};

// What a connection to one server asks of TLS. Nothing is refused during the
// handshake for what a certificate is: Facts tell, and the caller decides by
// its level (peer.trusted, matched).
struct Wish {
  std::string peer;         // "mx.example.com[192.0.2.1]:25", for the log
  std::string server_name;  // sent along (SNI); empty: none
  Protocols protocols;
  std::string ciphers;      // as cipher_list() makes it
  // Facts::matched: one of the fingerprints (of certificate or key) is the
  // server's; or a TLSA record fits; or the chain is trusted. With the latter
  // two the certificate must have one of the `names` (".example.com": any
  // below); of a DANE-EE record the name does not count (RFC 7671 5.1). A
  // certificate in another name counts as not trusted.
  std::vector<std::string> names;
  std::vector<std::string> fingerprints;
  std::vector<Tlsa> tlsa;
  // Certificates and public keys (PEM) that are trusted instead of the
  // context's authorities.
  std::string trust_anchors;
  bool wildcard_for_several_labels = true;
  // The names were learnt in a way that can be forged: who matches is logged
  // as Trusted, not as Verified.
  bool forgeable = false;
  bool log_untrusted = false;  // say why a certificate is not trusted
  // A session of an earlier connection to resume, and who keeps new ones (may
  // be called at any time while the stream lives; must outlive it). Of a
  // server that should have matched and did not, none is kept: it is to show
  // its certificate again. "": the one to resume is of no more use.
  std::string session;
  std::function<void(std::string session)> keep;
};

// As a client, after context->prepare().
Task<Result<Facts>> connect(Stream* stream,
                            std::shared_ptr<ClientContext> context, Wish wish,
                            Millis limit);

}  // namespace postern::tls
