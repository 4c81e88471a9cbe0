// The ways to a server of the Dovecot auth protocol: Dovecot's own, by a
// connection that master or lookup makes, and authd, by a stream that it hands
// out (smtpd_sasl_type cyrus and postern).
#pragma once

#include <string>

#include "common/config/endpoints.h"
#include "common/service/service.h"
#include "smtpd/auth_service.h"
#include "smtpd/sasl_settings.h"

namespace postern::smtpd {

class DovecotBackend final : public AuthBackend {
 public:
  // `service` must outlive this.
  DovecotBackend(Service& service, std::string path);
  Task<Result<Fd>> connect(Millis limit) override;
  std::string name() const override;

 private:
  Service& service_;
  std::string path_;  // as smtpd_sasl_path says
};

class AuthdBackend final : public AuthBackend {
 public:
  AuthdBackend(Service& service, const SaslSettings& settings);
  Task<Result<Fd>> connect(Millis limit) override;
  std::string name() const override;

 private:
  SharedLink authd_;
  std::string type_, path_, realm_, host_;
};

std::unique_ptr<AuthBackend> make_backend(Service& service,
                                          const SaslSettings& settings);

}  // namespace postern::smtpd
