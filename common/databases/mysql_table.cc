// mysql: tables: a query to MySQL or MariaDB servers. mysql_table(5).
#include <mysql.h>

#include <mutex>

#include "common/base/text.h"
#include "common/databases/openers.h"
#include "common/databases/sql_table.h"

namespace postern::databases {
namespace {

// Errors from here to 2999 are the client library's: the connection is gone.
constexpr unsigned first_client_error = 2000;
constexpr unsigned last_client_error = 2999;

struct Close {
  void operator()(MYSQL* connection) const { mysql_close(connection); }
};
struct FreeRows {
  void operator()(MYSQL_RES* rows) const { mysql_free_result(rows); }
};
using Rows = std::unique_ptr<MYSQL_RES, FreeRows>;

const char* or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

class MysqlTable : public ServerTable {
 public:
  using ServerTable::ServerTable;

  Status open(const Context& context) {
    Result<Settings> settings = Settings::read(context.spec, context.main);
    if (!settings) return settings.trouble();
    read(*settings);
    read_servers(*settings, false);
    read_plan(*settings, context.options, false);
    if (Status read = settings->status(); !read.ok()) return read;
    settings->warn_unused(context.options.warn);
    return {};
  }

 protected:
  Status connect(const Server& server) override {
    connection_.reset(mysql_init(nullptr));
    if (!connection_) return try_later("3.0", "out of memory");
    MYSQL* const mysql = connection_.get();
    set_options(mysql);
    unsigned port = 0;
    if (!server.port.empty()) {
      const auto number = parse_number(server.port);
      if (!number || *number < 1 || *number > 65535)
        return try_later("3.5", "\"" + server.port + "\" is no port number");
      port = static_cast<unsigned>(*number);
    }
    if (mysql_real_connect(mysql, or_null(server.host), or_null(user_),
                           or_null(password_), or_null(database_), port,
                           or_null(server.socket),
                           CLIENT_MULTI_RESULTS) == nullptr)
      return try_later("3.0", printable_utf8(mysql_error(mysql)));
    return {};
  }

  void disconnect() override { connection_.reset(); }

  Outcome ask(const Parts& key) override {
    MYSQL* const mysql = connection_.get();
    const std::string sql = statement(key, [mysql](std::string_view text) {
      std::string quoted(2 * text.size() + 1, '\0');
      quoted.resize(mysql_real_escape_string(mysql, quoted.data(), text.data(),
                                             text.size()));
      return quoted;
    });
    if (mysql_real_query(mysql, sql.data(), sql.size()) != 0)
      return failure();
    return results();
  }

 private:
  void read(Settings& settings) {
    user_ = settings.text("user", "");
    password_ = settings.text("password", "");
    database_ = settings.text("dbname", "", 1);
    character_set_ = settings.text("charset", "utf8mb4", 1);
    option_file_ = settings.text("option_file", "");
    option_group_ = settings.text("option_group", "client");
    tls_certificate_ = settings.text("tls_cert_file", "");
    tls_key_ = settings.text("tls_key_file", "");
    tls_ca_file_ = settings.text("tls_CAfile", "");
    tls_ca_path_ = settings.text("tls_CApath", "");
    tls_ciphers_ = settings.text("tls_ciphers", "");
    tls_verify_ = settings.boolean("tls_verify_cert", false);
    require_result_ = settings.boolean("require_result_set", true);
  }

  void set_options(MYSQL* mysql) const {
    const auto seconds = static_cast<unsigned>(timeout().count());
    for (const auto option : {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT,
                              MYSQL_OPT_WRITE_TIMEOUT})
      mysql_options(mysql, option, &seconds);
    if (!option_file_.empty())
      mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, option_file_.c_str());
    if (!option_group_.empty())
      mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, option_group_.c_str());
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, character_set_.c_str());
    if (!tls_certificate_.empty() || !tls_key_.empty() ||
        !tls_ca_file_.empty() || !tls_ca_path_.empty() ||
        !tls_ciphers_.empty())
      mysql_ssl_set(mysql, or_null(tls_key_), or_null(tls_certificate_),
                    or_null(tls_ca_file_), or_null(tls_ca_path_),
                    or_null(tls_ciphers_));
    if (tls_verify_) {
      const my_bool on = 1;
      mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    }
  }

  Outcome failure() {
    const unsigned error = mysql_errno(connection_.get());
    const bool lost =
        error >= first_client_error && error <= last_client_error;
    return {lost ? Outcome::Is::lost : Outcome::Is::refused,
            {},
            printable_utf8(mysql_error(connection_.get()))};
  }

  // A stored procedure gives a result set and a status after it.
  Outcome results() {
    MYSQL* const mysql = connection_.get();
    Outcome outcome;
    int sets = 0;
    int next = 0;
    while (next == 0) {
      const Rows rows(mysql_store_result(mysql));
      if (!rows && mysql_errno(mysql) != 0) return failure();
      if (rows && ++sets == 1) add_rows(rows.get(), outcome.values);
      next = mysql_next_result(mysql);
    }
    if (next > 0) return failure();
    if (sets > 1)
      return {Outcome::Is::refused, {}, "Query returned multiple result sets"};
    if (sets == 0 && require_result_)
      return {Outcome::Is::refused, {}, "Query failed to return a result set"};
    return outcome;
  }

  static void add_rows(MYSQL_RES* rows, Values& values) {
    const unsigned columns = mysql_num_fields(rows);
    while (MYSQL_ROW row = mysql_fetch_row(rows)) {
      const unsigned long* lengths = mysql_fetch_lengths(rows);
      for (unsigned i = 0; i < columns; ++i)
        if (row[i] != nullptr) values.emplace_back(row[i], lengths[i]);
    }
  }

  std::unique_ptr<MYSQL, Close> connection_;
  std::string user_;
  std::string password_;
  std::string database_;
  std::string character_set_;
  std::string option_file_;
  std::string option_group_;
  std::string tls_certificate_;
  std::string tls_key_;
  std::string tls_ca_file_;
  std::string tls_ca_path_;
  std::string tls_ciphers_;
  bool tls_verify_ = false;
  bool require_result_ = true;
};

}  // namespace

Opened open_mysql(const Context& context) {
  // Not safe in two threads at once, so before the first connection.
  static std::once_flag started;
  std::call_once(started, [] { mysql_library_init(0, nullptr, nullptr); });
  auto table = std::make_unique<MysqlTable>(context.spec.text(), "mysql",
                                            context.health);
  const Status opened = table->open(context);
  if (!opened.ok()) return opened.trouble();
  return Opened(std::move(table));
}

}  // namespace postern::databases
