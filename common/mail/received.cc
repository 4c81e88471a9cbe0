// See received.h.
#include "common/mail/received.h"

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/date.h"

namespace postern::mail {
namespace {

// A stranger's words inside of a comment.
std::string foreign(std::string_view text) {
  std::string safe;
  for (const char c : printable_utf8(text)) {
    if (c == '(' || c == ')' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe;
}

std::string address_literal(std::string_view address) {
  const bool is_v6 = address.find(':') != std::string_view::npos;
  return std::string(is_v6 ? "[IPv6:" : "[").append(address).append("]");
}

std::string signature(std::string_view side, std::string_view name,
                      std::string_view digest) {
  if (name.empty()) return {};
  std::string text = std::string(" ").append(side).append("-signature ");
  text += name;
  if (!digest.empty())
    text.append(" ").append(side).append("-digest ").append(digest);
  return text;
}

std::string client_certificate(const TlsTrace& tls) {
  switch (tls.client) {
    case TlsTrace::Client::not_asked:
      return "(No client certificate requested)";
    case TlsTrace::Client::none:
      return "(Client did not present a certificate)";
    case TlsTrace::Client::verified:
    case TlsTrace::Client::unverified:
      break;
  }
  const bool verified = tls.client == TlsTrace::Client::verified;
  return "(Client CN \"" + foreign(tls.client_name) + "\", Issuer \"" +
         foreign(tls.client_issuer) + "\" (" +
         (verified ? "verified OK" : "not verified") + "))";
}

std::string tls_lines(const TlsTrace& tls) {
  std::string text = "\n\t(using " + tls.protocol + " with cipher " +
                     tls.cipher + " (" + std::to_string(tls.used_bits) + "/" +
                     std::to_string(tls.algorithm_bits) + " bits)";
  if (!tls.key_exchange.empty()) {
    text += "\n\t key-exchange " + tls.key_exchange;
    text += signature("server", tls.server_signature, tls.server_digest);
  }
  const std::string client =
      signature("client", tls.client_signature, tls.client_digest);
  if (!client.empty()) text += "\n\t" + client;
  return text + ")\n\t" + client_certificate(tls);
}

std::string from_clause(const ReceivedFrom& from) {
  const std::string& helo = from.helo.empty() ? from.name : from.helo;
  std::string text = "from " + printable_utf8(helo) + " (" +
                     printable_utf8(from.name) + " " +
                     address_literal(from.address) + ")";
  if (from.tls) text += tls_lines(*from.tls);
  if (!from.authenticated.empty())
    text += "\n\t(Authenticated sender: " + foreign(from.authenticated) + ")";
  return text + "\n\t";
}

}  // namespace

std::string protocol_name(bool esmtp, bool tls, bool authenticated, bool utf8) {
  if (!esmtp) return "SMTP";
  std::string name = utf8 ? "UTF8SMTP" : "ESMTP";
  if (tls) name += 'S';
  if (authenticated) name += 'A';
  return name;
}

std::string received_header(const Received& received) {
  const std::string date = header_date(received.when);
  std::string text = "Received: ";
  if (received.from) text += from_clause(*received.from);
  text += "by " + received.hostname + " (" + received.mail_name;
  if (received.user_id)
    text += ", from userid " + std::to_string(*received.user_id);
  text += ")";
  if (!received.from) return text + "\n\tid " + received.queue_id + "; " + date;
  text += " with " + received.from->protocol;
  if (!received.queue_id.empty()) text += " id " + received.queue_id;
  if (received.recipient.empty()) return text + ";\n\t" + date;
  return text + "\n\tfor <" + quote_local_822(received.recipient) + ">; " +
         date;
}

}  // namespace postern::mail
