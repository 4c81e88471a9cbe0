// pgsql: tables: a query to PostgreSQL servers. pgsql_table(5).
#include <libpq-fe.h>
#include <poll.h>

#include "common/base/text.h"
#include "common/databases/openers.h"
#include "common/databases/sql_table.h"

namespace postern::databases {
namespace {

struct Close {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Close>;
using ResultSet = std::unique_ptr<PGresult, Clear>;

// libpq's texts have several lines.
std::string one_line(std::string_view text) {
  std::string all;
  for (const std::string& line : split(trim(text), '\n')) {
    if (!all.empty()) all += " ";
    all += trim(line);
  }
  return printable_utf8(all);
}

// False: the time is over.
bool wait_for(int fd, short events, Clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      end - Clock::now());
  if (left.count() <= 0) return false;
  pollfd one{fd, events, 0};
  const int count = ::poll(&one, 1, static_cast<int>(left.count()));
  return count > 0 || (count < 0 && errno == EINTR);
}

class PgsqlTable : public ServerTable {
 public:
  using ServerTable::ServerTable;

  Status open(const Context& context) {
    Result<Settings> settings = Settings::read(context.spec, context.main);
    if (!settings) return settings.trouble();
    user_ = settings->text("user", "");
    password_ = settings->text("password", "");
    encoding_ = settings->text("encoding", "UTF8", 1);
    // A connection URI may name the database.
    const bool uris =
        settings->text("hosts", "").find("://") != std::string::npos;
    database_ = settings->text("dbname", "", uris ? 0 : 1);
    read_servers(*settings, true);
    read_plan(*settings, context.options, true);
    if (Status read = settings->status(); !read.ok()) return read;
    settings->warn_unused(context.options.warn);
    return {};
  }

 protected:
  Status connect(const Server& server) override {
    const Clock::time_point end = Clock::now() + timeout();
    connection_ = start(server);
    PGconn* const pg = connection_.get();
    if (pg == nullptr) return try_later("3.0", "out of memory");
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (PQstatus(pg) != CONNECTION_BAD && step != PGRES_POLLING_OK &&
           step != PGRES_POLLING_FAILED) {
      const short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
      if (!wait_for(PQsocket(pg), events, end))
        return try_later("3.0", "Connection timed out");
      step = PQconnectPoll(pg);
    }
    if (PQstatus(pg) != CONNECTION_OK)
      return try_later("3.0", one_line(PQerrorMessage(pg)));
    PQsetnonblocking(pg, 1);
    return {};
  }

  void disconnect() override { connection_.reset(); }

  Outcome ask(const Parts& key) override {
    bool quoting_failed = false;
    const std::string sql = statement(key, [&](std::string_view text) {
      return quoted(text, quoting_failed);
    });
    // Bytes that are no text in the encoding: nothing can have such a name.
    if (quoting_failed) return {};
    PGconn* const pg = connection_.get();
    const Clock::time_point end = Clock::now() + timeout();
    if (PQsendQuery(pg, sql.c_str()) != 1) return failure(nullptr);
    while (PQflush(pg) == 1)
      if (!wait_for(PQsocket(pg), POLLOUT, end)) return late();
    Outcome outcome;
    for (;;) {
      while (PQisBusy(pg) != 0) {
        if (!wait_for(PQsocket(pg), POLLIN, end)) return late();
        if (PQconsumeInput(pg) != 1) return failure(nullptr);
      }
      const ResultSet result(PQgetResult(pg));
      if (!result) return outcome;
      if (PQresultStatus(result.get()) == PGRES_TUPLES_OK)
        add_rows(result.get(), outcome.values);
      else if (outcome.is == Outcome::Is::answered)
        outcome = failure(result.get());
    }
  }

 private:
  Connection start(const Server& server) const {
    std::vector<const char*> names;
    std::vector<const char*> values;
    const auto set = [&](const char* name, const std::string& value) {
      if (value.empty()) return;
      names.push_back(name);
      values.push_back(value.c_str());
    };
    // Later ones win; a URI is the value of dbname.
    set("dbname", database_);
    set("user", user_);
    set("password", password_);
    set("host", server.socket);
    set("host", server.host);
    set("port", server.port);
    set("dbname", server.uri);
    set("client_encoding", encoding_);
    names.push_back(nullptr);
    values.push_back(nullptr);
    return Connection(PQconnectStartParams(names.data(), values.data(), 1));
  }

  std::string quoted(std::string_view text, bool& failed) const {
    std::string all(2 * text.size() + 1, '\0');
    int error = 0;
    all.resize(PQescapeStringConn(connection_.get(), all.data(), text.data(),
                                  text.size(), &error));
    failed = failed || error != 0 || text.find('\0') != std::string_view::npos;
    return all;
  }

  static void add_rows(const PGresult* result, Values& values) {
    for (int row = 0; row < PQntuples(result); ++row)
      for (int column = 0; column < PQnfields(result); ++column)
        if (PQgetisnull(result, row, column) == 0)
          values.emplace_back(
              PQgetvalue(result, row, column),
              static_cast<std::size_t>(PQgetlength(result, row, column)));
  }

  static Outcome late() {
    return {Outcome::Is::lost, {}, "no answer in time"};
  }

  Outcome failure(const PGresult* result) const {
    const bool lost = PQstatus(connection_.get()) == CONNECTION_BAD;
    const char* why = result != nullptr ? PQresultErrorMessage(result)
                                        : PQerrorMessage(connection_.get());
    std::string text = one_line(why);
    if (text.empty()) text = "Query failed to return a result set";
    return {lost ? Outcome::Is::lost : Outcome::Is::refused, {},
            std::move(text)};
  }

  Connection connection_;
  std::string user_;
  std::string password_;
  std::string database_;
  std::string encoding_;
};

}  // namespace

Opened open_pgsql(const Context& context) {
  auto table = std::make_unique<PgsqlTable>(context.spec.text(), "pgsql",
                                            context.health);
  const Status opened = table->open(context);
  if (!opened.ok()) return opened.trouble();
  return Opened(std::move(table));
}

}  // namespace postern::databases
