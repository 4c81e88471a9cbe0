// TLS sessions that smtp and lmtp rows may resume (Postfix's tlsmgr): in files
// below data_directory, so that they outlive the process that made them, a
// reload and a restart. A session holds the secret of a connection: the files
// are their owner's alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/config/config.h"
#include "common/ipc/messages/tls_sessions.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/tables/cache_file.h"

namespace postern::lookup {

// What a row says of its sessions.
struct SessionCache {
  std::string table;  // smtp_tls_session_cache_database; "": none are kept
  Seconds lifetime{0};
  static SessionCache read(const config::Config& row, bool lmtp);
};

class TlsSessions {
 public:
  // What the configuration says of a row, by its name.
  using Rows = std::function<SessionCache(const std::string& row)>;

  TlsSessions(std::string data_directory, Rows rows, log::Log log);
  TlsSessions(const TlsSessions&) = delete;
  TlsSessions& operator=(const TlsSessions&) = delete;

  // "" where there is none, or it is too old, or the file cannot be read,
  // which is logged.
  std::string find(const std::string& row, const std::string& key);
  void keep(const std::string& row, const ipc::TlsSessionKeep& session);

  // Drops what nobody may resume any more.
  void clean();

  // Time, for tests: seconds since 1970.
  void set_clock(std::function<std::int64_t()> clock) {
    clock_ = std::move(clock);
  }

  // Neither a key nor a session is longer.
  static constexpr std::size_t longest_key = 16384;
  static constexpr std::size_t longest_session = 65536;
  // A file that has so many takes no others before clean().
  static constexpr std::size_t most = 20'000;

 private:
  struct Store {
    tables::CacheFile file;
    std::size_t count = 0;  // in the file, about (there may be another writer)
  };
  struct Row {
    std::shared_ptr<Store> store;  // null: keeps none
    Seconds lifetime{0};
  };

  Row& row(const std::string& name);
  std::shared_ptr<Store> store_of(const std::string& table);
  void clean(Store& store);
  void complain(const Trouble& trouble);

  std::string data_directory_;
  Rows rows_;
  log::Log log_;
  std::function<std::int64_t()> clock_;
  std::map<std::string, Row> known_;
  std::map<std::string, std::shared_ptr<Store>> stores_;  // by path
  std::string complaint_;  // the last one, so that it is not repeated
};

}  // namespace postern::lookup
