// What smtpd_tls_loglevel 2 and above add: the steps of a handshake (2), its
// bytes (3), and all bytes of the connection (4).
#include <fmt/format.h>
#include <openssl/bio.h>

#include "common/base/text.h"
#include "common/tls/connection.h"

namespace postern::tls {
namespace {

constexpr int log_steps = 2, log_handshake_bytes = 3, log_all_bytes = 4;

void stepped(const SSL* ssl, int where, int result) {
  const Connection* connection = connection_of(ssl);
  if (connection == nullptr) return;
  const log::Log& log = connection->log();
  const int side = where & ~SSL_ST_MASK;
  const char* name = (side & SSL_ST_CONNECT) != 0 || connection->client
                         ? "SSL_connect"
                         : "SSL_accept";
  if ((where & SSL_CB_LOOP) != 0) {
    log.info("{}:{}", name, SSL_state_string_long(ssl));
  } else if ((where & SSL_CB_ALERT) != 0) {
    const bool goodbye = (result & 0xff) == SSL_AD_CLOSE_NOTIFY;
    if (goodbye) return;
    log.info("SSL3 alert {}:{}:{}",
             (where & SSL_CB_READ) != 0 ? "read" : "write",
             SSL_alert_type_string_long(result),
             SSL_alert_desc_string_long(result));
  } else if ((where & SSL_CB_EXIT) != 0 && result == 0) {
    log.info("{}:failed in {}", name, SSL_state_string_long(ssl));
  }
}

void dump(const log::Log& log, std::string_view bytes) {
  constexpr std::size_t per_line = 16;
  for (std::size_t at = 0; at < bytes.size(); at += per_line) {
    const std::string_view line = bytes.substr(at, per_line);
    std::string hex;
    for (const char c : line)
      hex += fmt::format("{:02x} ", static_cast<unsigned char>(c));
    log.info("{:04x} {:<48} {}", at, hex, printable(line, '.'));
  }
}

long moved(BIO* bio, int operation, const char* bytes, std::size_t, int, long,
           int result, std::size_t* processed) {
  const auto* connection =
      static_cast<const Connection*>(static_cast<void*>(BIO_get_callback_arg(bio)));
  if (connection == nullptr || result <= 0 || processed == nullptr)
    return result;
  if (connection->log_level() < log_all_bytes && !connection->handshaking)
    return result;
  const bool read = operation == (BIO_CB_READ | BIO_CB_RETURN);
  if (!read && operation != (BIO_CB_WRITE | BIO_CB_RETURN)) return result;
  connection->log().info("{} {} ({} bytes)", read ? "read from" : "write to",
                         connection->peer, *processed);
  dump(connection->log(), std::string_view(bytes, *processed));
  return result;
}

}  // namespace

void trace(SSL* ssl, int log_level) {
  if (log_level >= log_steps) SSL_set_info_callback(ssl, stepped);
  if (log_level < log_handshake_bytes) return;
  BIO* bio = SSL_get_rbio(ssl);
  void* connection = connection_of(ssl);
  BIO_set_callback_arg(bio, static_cast<char*>(connection));
  BIO_set_callback_ex(bio, moved);
}

}  // namespace postern::tls
