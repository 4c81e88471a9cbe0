#include "common/service/places.h"

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/service/sasl_files.h"

namespace postern {
namespace {

// maildrop is sticky so that members of setgid_group cannot remove each
// other's submissions.
constexpr QueueDirectory directories[] = {
    {"", true, false, 0755, false},
    {"active", false, false, 0700, true},
    {"bounce", false, false, 0700, true},
    {"corrupt", false, false, 0700, true},
    {"defer", false, false, 0700, true},
    {"deferred", false, false, 0700, true},
    {"flush", false, false, 0700, true},
    {"hold", false, false, 0700, true},
    {"incoming", false, false, 0700, true},
    {"maildrop", false, true, 01730, true},
    {"pid", true, false, 0755, false},
    {"private", false, false, 0700, false},
    {"public", false, true, 0710, false},
    {"saved", false, false, 0700, true},
    {"trace", false, false, 0700, true},
};

constexpr std::string_view key_parameters[] = {
    "smtpd_tls_chain_files", "smtpd_tls_key_file",
    "smtpd_tls_eckey_file",  "smtp_tls_chain_files", "smtp_tls_key_file",
    "smtp_tls_dkey_file",    "smtp_tls_eckey_file",  "lmtp_tls_chain_files",
    "lmtp_tls_key_file",     "lmtp_tls_dkey_file",   "lmtp_tls_eckey_file",
};

constexpr std::string_view certificate_parameters[] = {
    "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtp_tls_cert_file",
    "smtp_tls_eccert_file", "lmtp_tls_cert_file",   "lmtp_tls_eccert_file",
};

// The files of indexed tables, with braces and "proxy:" left aside: a table of
// keys is no secret to whoever writes main.conf.
std::vector<std::string> index_files(const std::string& tables) {
  std::vector<std::string> files;
  for (std::string_view table : split_words(tables, ", \t\r\n{}")) {
    while (table.starts_with("proxy:")) table.remove_prefix(6);
    const std::size_t colon = table.find(':');
    const std::string_view type =
        colon == std::string_view::npos ? "hash" : table.substr(0, colon);
    const std::string_view name =
        colon == std::string_view::npos ? table : table.substr(colon + 1);
    if ((type == "hash" || type == "btree") && name.starts_with('/'))
      files.push_back(std::string(name) + ".db");
  }
  return files;
}

}  // namespace

std::span<const QueueDirectory> queue_directories() { return directories; }

std::string daemon_directory_of(const config::Config& config) {
  const std::string named = config.get<"daemon_directory">();
  // A name that no other mail system has.
  if (os::exists(named + "/" + std::string(name_of(Role::lookup))))
    return named;
  return config::Config::defaults().get<"daemon_directory">();
}

std::string data_directory_of(Role role, const config::Config& config) {
  const std::string data = config.text("data_directory");
  return role == Role::authd ? data + "/auth" : data;
}

std::vector<std::string> secret_files(const config::Config& config) {
  std::vector<std::string> files;
  for (const std::string_view parameter : key_parameters)
    for (const std::string& file : split_words(config.text(parameter)))
      if (file.starts_with('/')) files.push_back(file);
  return files;
}

std::vector<std::string> certificate_files(const config::Config& config) {
  std::vector<std::string> files = secret_files(config);
  for (const std::string_view parameter : certificate_parameters) {
    std::string file = config.text(parameter);
    if (file.starts_with('/')) files.push_back(std::move(file));
  }
  for (std::string& file : index_files(config.text("tls_server_sni_maps")))
    files.push_back(std::move(file));
  return files;
}

sandbox::Places places_of(Role role, const config::Config& config) {
  sandbox::Places places;
  const std::string queue = config.text("queue_directory");
  for (const QueueDirectory& each : directories)
    if (each.holds_mail) places.queue.push_back(queue + "/" + std::string(each.name));
  places.data = data_directory_of(role, config);
  // Key files are not among them: authd gets those from master, opened.
  if (role == Role::authd) places.sasl = sasl_files(config);
  return places;
}

std::string_view owner_parameter(sandbox::UserClass user) {
  switch (user) {
    case sandbox::UserClass::queue: return "mail_owner";
    case sandbox::UserClass::network: return "network_owner";
    case sandbox::UserClass::lookup: return "lookup_owner";
    case sandbox::UserClass::delivery: return "delivery_owner";
    case sandbox::UserClass::auth: return "auth_owner";
    case sandbox::UserClass::recipient:
    case sandbox::UserClass::root:
    case sandbox::UserClass::caller: return "";
  }
  return "";
}

}  // namespace postern
