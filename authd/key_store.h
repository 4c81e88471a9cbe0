// Which keys a row of master.conf has: its certificates and their private
// halves, kept up to date with their files.
// Next: keys.h, which answers questions about them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "authd/key_files.h"
#include "authd/key_pem.h"
#include "authd/server_names.h"
#include "common/config/config.h"
#include "common/ipc/messages/keys.h"

namespace postern::authd {

// The files of a row, by its TLS parameters.
struct KeySources {
  std::vector<std::string> chain_files;
  // Certificate file and key file.
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string name_maps;  // tls_server_sni_maps; servers only
  bool empty() const { return chain_files.empty() && pairs.empty(); }
  // `prefix`: "smtpd", "smtp" or "lmtp".
  static KeySources read(const config::Config& config,
                         const std::string& prefix);
};

class KeyStore {
 public:
  KeyStore(KeyFiles& files, ServerNames& names)
      : files_(files), names_(names) {}

  // `row` is any name that is the row's own. Where new files are no good, the
  // answer has the chains that were good last, and the trouble.
  Task<ipc::IdentityAnswer> identity(std::string row, KeySources sources,
                                     ipc::IdentityFind question);

  // A private key that this row was told of; null: none.
  std::shared_ptr<const KeyedChain> key(const std::string& row,
                                        const KeySources& sources,
                                        const std::string& name);

 private:
  struct RowKeys {
    std::vector<KeyFiles::Content> contents;
    KeyedChains chains;
    KeyedChains former;  // of handshakes that go on
    std::string version;
  };
  Task<Status> refresh(RowKeys* row, KeySources sources);
  Task<ipc::IdentityAnswer> named(KeySources sources,
                                  ipc::IdentityFind question);

  KeyFiles& files_;
  ServerNames& names_;
  std::map<std::string, RowKeys> rows_;
};

// As the asker gets them: without what is private.
ipc::IdentityAnswer public_half(const KeyedChains& chains,
                                const std::string& version,
                                const std::string& known);
// Differs when a certificate does.
std::string version_of(const KeyedChains& chains);

}  // namespace postern::authd
