// tls_server_sni_maps: chains of keys and certificates by the name that a
// client asks for (postconf(5)). Values of indexed tables are the content of
// files, as postmap -F stores them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "authd/key_files.h"
#include "authd/key_pem.h"
#include "common/log/log.h"
#include "common/tables/index_file.h"
#include "common/tables/maps.h"

namespace postern::authd {

class ServerNames {
 public:
  ServerNames(KeyFiles& files, log::Log log)
      : files_(files), log_(std::move(log)) {}

  // Opens those tables of a parameter's value that are not indexed, and that
  // authd's own user can read. Before the process is locked.
  void preload(const std::string& maps);

  // The chains for a name or for a domain above it (".example.com"); none:
  // the table has neither. `name` is in lower case.
  Task<Result<KeyedChains>> find(std::string maps, std::string name);

  // A key that find() told of.
  std::shared_ptr<const KeyedChain> key(const std::string& maps,
                                        const std::string& key_name);

  static constexpr std::size_t most_remembered = 1000;

 private:
  struct Indexed {
    KeyFiles::Content content;
    std::unique_ptr<tables::IndexReader> reader;
  };
  struct Known {
    std::string value;
    KeyedChains chains;
  };
  Task<Result<std::string>> look_up(std::string table, std::string key);
  Result<KeyedChains> chains_of_value(const std::string& maps,
                                      const std::string& key,
                                      const std::string& value);

  KeyFiles& files_;
  log::Log log_;
  std::map<std::string, tables::Maps> opened_;  // by table
  std::map<std::string, Indexed> indexed_;      // by file
  // By the parameter's value, then by key.
  std::map<std::string, std::map<std::string, Known>> known_;
};

}  // namespace postern::authd
