#include "common/tls/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <filesystem>

#include "common/base/text.h"

namespace postern::tls {
namespace {

namespace fs = std::filesystem;

X509Trust new_trust() { return X509Trust(X509_STORE_new()); }

Trouble unreadable(const std::string& what) {
  return give_up("3.5", "cannot load certificates of authorities from " +
                            what + ": " + first_error("unknown reason"));
}

// "5ad8a5d6.0": what c_rehash makes.
bool is_hash_name(const std::string& name) {
  const auto hex = [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
  };
  return name.size() >= 10 && name[8] == '.' &&
         std::all_of(name.begin(), name.begin() + 8, hex) &&
         std::all_of(name.begin() + 9, name.end(), is_digit);
}

// A directory may hold one certificate under several names; that is no error.
Status add_directory(X509_STORE* store, const std::string& path) {
  std::error_code error;
  for (const fs::directory_entry& each : fs::directory_iterator(path, error))
    if (is_hash_name(each.path().filename().string()))
      X509_STORE_load_file(store, each.path().c_str());
  ERR_clear_error();
  if (error)
    return give_up("3.5", "cannot read the directory of authorities " + path +
                              ": " + error.message());
  return {};
}

Status add_default(X509_STORE* store) {
  const std::string file = X509_get_default_cert_file();
  std::error_code error;
  if (fs::exists(file, error) && X509_STORE_load_file(store, file.c_str()) != 1)
    return unreadable(file);
  const std::string directory = X509_get_default_cert_dir();
  if (!fs::exists(directory, error)) return {};
  return add_directory(store, directory);
}

}  // namespace

Result<X509Trust> load_trust(const CommonSettings& settings) {
  X509Trust store = new_trust();
  if (!settings.ca_file.empty() &&
      X509_STORE_load_file(store.get(), settings.ca_file.c_str()) != 1)
    return unreadable(settings.ca_file);
  if (!settings.ca_path.empty())
    if (Status done = add_directory(store.get(), settings.ca_path); !done)
      return done.trouble();
  if (settings.append_default_ca)
    if (Status done = add_default(store.get()); !done) return done.trouble();
  return store;
}

Result<X509Trust> load_anchors(const std::string& files) {
  X509Trust store = new_trust();
  for (const std::string& file : split_words(files))
    if (X509_STORE_load_file(store.get(), file.c_str()) != 1)
      return unreadable(file);
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

}  // namespace postern::tls
