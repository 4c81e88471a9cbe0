// TLS under a Stream: what set_transport() gets once a handshake is done.
#pragma once

#include <memory>

#include "common/loop/stream.h"
#include "common/tls/library.h"

namespace postern::tls {

class TlsTransport final : public Transport {
 public:
  // `keeps` is what the connection's callbacks refer to (a context).
  TlsTransport(Ssl ssl, std::shared_ptr<void> keeps);
  // Says good-bye to the peer (close_notify) where the connection is well.
  ~TlsTransport() override;

  ssize_t read(int fd, char* data, std::size_t size) override;
  ssize_t write(int fd, const char* data, std::size_t size) override;
  bool read_waits_for_write() const override { return read_wants_write_; }
  void farewell(int fd) override;

 private:
  ssize_t failed(int result);

  std::shared_ptr<void> keeps_;
  Ssl ssl_;
  bool read_wants_write_ = false;
  bool broken_ = false;
  bool said_goodbye_ = false;
};

}  // namespace postern::tls
