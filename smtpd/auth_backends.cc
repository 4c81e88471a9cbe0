#include "smtpd/auth_backends.h"

#include "common/ipc/messages/auth.h"

namespace postern::smtpd {

DovecotBackend::DovecotBackend(Service& service, std::string path)
    : service_(service), path_(std::move(path)) {}

Task<Result<Fd>> DovecotBackend::connect(Millis limit) {
  const std::string base = service_.config().get<"queue_directory">();
  std::optional<config::Endpoint> endpoint =
      config::parse_endpoint(path_, base, config::Bare::path);
  if (!endpoint)
    co_return give_up("3.5", "smtpd_sasl_path names neither a socket nor a "
                             "host and port");
  co_return co_await service_.dial(std::move(*endpoint), limit);
}

std::string DovecotBackend::name() const {
  return "Dovecot auth socket '" + path_ + "'";
}

AuthdBackend::AuthdBackend(Service& service, const SaslSettings& settings)
    : authd_(service, "authd"),
      type_(settings.type_name),
      path_(settings.path),
      realm_(settings.realm),
      host_(service.config().get<"myhostname">()) {}

Task<Result<Fd>> AuthdBackend::connect(Millis limit) {
  ipc::AuthChannel question;
  question.backend = type_;
  question.path = path_;
  question.realm = realm_;
  question.host = host_;
  Result<ipc::AuthChannelAnswer> answer =
      co_await authd_.ask(std::move(question), limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  if (!answer->stream) co_return try_later("3.0", "authd gave no stream");
  co_return std::move(answer->stream);
}

std::string AuthdBackend::name() const {
  return "authd (smtpd_sasl_type = " + type_ + ")";
}

std::unique_ptr<AuthBackend> make_backend(Service& service,
                                          const SaslSettings& settings) {
  if (settings.type == SaslSettings::Type::dovecot)
    return std::make_unique<DovecotBackend>(service, settings.path);
  return std::make_unique<AuthdBackend>(service, settings);
}

}  // namespace postern::smtpd
