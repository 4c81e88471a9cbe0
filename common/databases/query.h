// What the tables of databases have in common: which keys they are asked for,
// how a key becomes a query, and values become one answer. mysql_table(5),
// pgsql_table(5), sqlite_table(5), ldap_table(5), memcache_table(5).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/databases/settings.h"
#include "common/tables/match_list.h"
#include "common/tables/table.h"

namespace postern::databases {

// A key or a value as templates see it.
struct Parts {
  explicit Parts(std::string_view text);
  std::string whole;
  bool has_at = false;
  std::string user;    // all of it without "@"
  std::string domain;  // "" without "@"
  std::vector<std::string> labels;  // of the domain, the last one first
};

// Text with %s, %u, %d, %S, %U, %D, %1 to %9 and %%.
class Template {
 public:
  using Quote = std::function<std::string(std::string_view)>;
  Template() = default;
  // Trouble: "invalid query template: …", with what is wrong.
  static Result<Template> parse(std::string_view text, std::string_view kind);

  // Of a query: all letters stand for the key. Whether it has all that is
  // asked for.
  bool fits_as_query(const Parts& key) const;
  std::string query(const Parts& key, const Quote& quote) const;

  // Of a result: small letters stand for the value, capitals and digits for
  // the key.
  bool fits_as_result(const Parts& key) const;
  // False: the value has not what is asked for, and is left out.
  bool result(const Parts& key, std::string_view value, std::string& out) const;

  bool constant() const;

 private:
  struct Piece {
    std::string text;  // before the letter
    char letter = '\0';
  };
  static bool has(const Parts& parts, char letter);
  static const std::string& take(const Parts& parts, char letter);
  std::vector<Piece> pieces_;
};

// Which keys, and what becomes of the values.
struct Plan {
  Template result;
  tables::MatchList domains;
  std::int64_t expansion_limit = 0;

  // result_format (or `old_name`), domain, expansion_limit.
  void read(Settings& settings, const tables::OpenOptions& options,
            std::string_view old_name = "");
  // False: no need to ask. Trouble: the list of domains cannot say.
  Result<bool> concerns(const Parts& key);
};

// Reads a template into `out`; remembers in `settings` what is wrong with it.
void read_template(Settings& settings, std::string_view name,
                   const std::string& text, std::string_view kind,
                   Template& out);

// Gathers the values of one answer.
class Answer {
 public:
  Answer(const Plan& plan, const Parts& key) : plan_(plan), key_(key) {}
  // False: more values than expansion_limit allows.
  bool add(std::string_view value);
  tables::Found found(const std::string& table) const;

 private:
  const Plan& plan_;
  const Parts& key_;
  std::string text_;
  std::int64_t count_ = 0;
  bool too_many_ = false;
};

}  // namespace postern::databases
