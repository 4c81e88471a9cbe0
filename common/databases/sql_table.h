// What mysql:, pgsql: and sqlite: tables share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/databases/query.h"
#include "common/databases/servers.h"

namespace postern::databases {

using Values = std::vector<std::string>;

class SqlTable : public tables::Table {
 public:
  explicit SqlTable(std::string name) : Table(std::move(name)) {}

 protected:
  // query or what stands for it in the old interface, result_format, domain,
  // expansion_limit. `functions`: select_function is known.
  void read_plan(Settings& settings, const tables::OpenOptions& options,
                 bool functions);

  tables::Found look_up(std::string_view key) override;
  // All that the query for `key` selects; NULL and empty values may be left
  // out.
  virtual Result<Values> select(const Parts& key) = 0;

  std::string statement(const Parts& key, const Template::Quote& quote) const {
    return query_.query(key, quote);
  }
  Trouble query_error(const std::string& why) const;

 private:
  Template query_;
  Plan plan_;
};

// Those that ask a server, over one connection per table object.
class ServerTable : public SqlTable {
 public:
  ServerTable(std::string name, std::string kind, std::shared_ptr<Health> health)
      : SqlTable(std::move(name)),
        kind_(std::move(kind)),
        health_(std::move(health)) {}

 protected:
  // hosts, retry_interval, idle_interval, timeout.
  void read_servers(Settings& settings, bool uris);
  std::chrono::seconds timeout() const { return timeout_; }

  Result<Values> select(const Parts& key) override;

  // --- for one kind of server; blocking, within timeout() ---
  // Trouble's text is the reason alone.
  virtual Status connect(const Server& server) = 0;
  virtual void disconnect() = 0;
  struct Outcome {
    enum class Is { answered, refused, lost };
    Is is = Is::answered;
    Values values;
    std::string why;  // refused: by the server; lost: the connection
  };
  virtual Outcome ask(const Parts& key) = 0;

 private:
  bool reach(const Server& server);
  std::optional<Outcome> ask_again(const Parts& key);

  std::string kind_;
  std::shared_ptr<Health> health_;
  std::vector<Server> servers_;
  std::chrono::seconds retry_interval_{60};
  std::chrono::seconds idle_interval_{60};
  std::chrono::seconds timeout_{10};
  std::optional<Server> connected_;
  Clock::time_point used_{};
  std::string last_failure_;
};

}  // namespace postern::databases
