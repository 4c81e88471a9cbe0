#include "common/tls/transport.h"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace postern::tls {

TlsTransport::TlsTransport(Ssl ssl, std::shared_ptr<void> keeps)
    : keeps_(std::move(keeps)), ssl_(std::move(ssl)) {}

TlsTransport::~TlsTransport() { farewell(-1); }

// The peer's good-bye is not waited for: SMTP has its own (QUIT).
void TlsTransport::farewell(int) {
  if (broken_ || said_goodbye_) return;
  said_goodbye_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

// As read(2) and write(2) would say it.
ssize_t TlsTransport::failed(int result) {
  const int system_error = errno;
  const int why = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  switch (why) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      read_wants_write_ = why == SSL_ERROR_WANT_WRITE;
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      broken_ = true;
      errno = system_error == 0 ? ECONNRESET : system_error;
      return -1;
    default:
      broken_ = true;
      errno = EPROTO;
      return -1;
  }
}

ssize_t TlsTransport::read(int, char* data, std::size_t size) {
  if (broken_) {
    errno = ECONNRESET;
    return -1;
  }
  ERR_clear_error();
  errno = 0;
  read_wants_write_ = false;
  const int want =
      static_cast<int>(std::min(size, static_cast<std::size_t>(INT_MAX)));
  const int got = SSL_read(ssl_.get(), data, want);
  return got > 0 ? got : failed(got);
}

ssize_t TlsTransport::write(int, const char* data, std::size_t size) {
  if (broken_) {
    errno = EPIPE;
    return -1;
  }
  ERR_clear_error();
  errno = 0;
  const int want =
      static_cast<int>(std::min(size, static_cast<std::size_t>(INT_MAX)));
  const int sent = SSL_write(ssl_.get(), data, want);
  if (sent > 0) return sent;
  const bool read_waited = read_wants_write_;
  const ssize_t result = failed(sent);
  read_wants_write_ = read_waited;
  return result;
}

}  // namespace postern::tls
