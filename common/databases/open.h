// Tables that somebody else answers: databases, directories, caches, servers
// of simple protocols. They are Tables like others, but they block: lookup
// gives each a few threads (lookup/slow_table.h), tools just wait.
//
//   databases::Opener opener(&config);
//   options.other = opener.function();
//   tables::open("mysql:/etc/postern/users.cf", options)
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/config/config.h"
#include "common/tables/table.h"

namespace postern::databases {

class Health;

// May be used by several threads at once.
class Opener {
 public:
  // `main` may be null, and must outlive the opener.
  explicit Opener(const config::Config* main);
  ~Opener();
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  Result<std::unique_ptr<tables::Table>> open(
      const tables::Spec& spec, const tables::OpenOptions& options);
  // For OpenOptions::other; the opener must outlive it.
  decltype(tables::OpenOptions::other) function();

 private:
  std::shared_ptr<Health> health_of(const std::string& table);

  const config::Config* main_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Health>> health_;
};

}  // namespace postern::databases
