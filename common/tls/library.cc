#include "common/tls/library.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "common/base/panic.h"
#include "common/config/config.h"
#include "common/tls/key_provider.h"

namespace postern::tls {
namespace {

bool initialize(const char* file, const char* name, bool with_file) {
  OPENSSL_INIT_SETTINGS* settings = OPENSSL_INIT_new();
  if (file != nullptr) OPENSSL_INIT_set_config_filename(settings, file);
  if (name != nullptr) OPENSSL_INIT_set_config_appname(settings, name);
  std::uint64_t options =
      OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS;
  options |= with_file ? OPENSSL_INIT_LOAD_CONFIG : OPENSSL_INIT_NO_LOAD_CONFIG;
  const int done = OPENSSL_init_ssl(options, settings);
  OPENSSL_INIT_free(settings);
  return done == 1;
}

}  // namespace

Status start_library(const config::Config& config) {
  const std::string file = config.get<"tls_config_file">();
  const std::string name = config.get<"tls_config_name">();
  const bool none = file == "none";
  const bool own = file != "default" && !file.empty() && !none;
  if (own && !file.starts_with('/'))
    return give_up("3.5", "tls_config_file: \"" + file +
                              "\" is neither default, none nor a full path");
  if (!initialize(own ? file.c_str() : nullptr,
                  name.empty() ? nullptr : name.c_str(), !none))
    return give_up("3.5", "cannot use OpenSSL's configuration (tls_config_file "
                          "= " + file + "): " + first_error("unknown reason"));
  install_key_provider();
  return {};
}

void start_library() {
  require(initialize(nullptr, nullptr, false), "OpenSSL does not start");
  install_key_provider();
}

std::vector<std::string> take_errors() {
  std::vector<std::string> lines;
  const char *file = nullptr, *function = nullptr, *data = nullptr;
  int line = 0, flags = 0;
  while (const unsigned long code =
             ERR_get_error_all(&file, &line, &function, &data, &flags)) {
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    std::string out = fmt::format("{}:{}:{}:", text, file, line);
    if ((flags & ERR_TXT_STRING) != 0) out += fmt::format("{}:", data);
    lines.push_back(std::move(out));
  }
  return lines;
}

std::string first_error(std::string otherwise) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? std::move(otherwise) : reason;
}

}  // namespace postern::tls
