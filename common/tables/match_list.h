// Lists of patterns as in mydestination, mynetworks, fast_flush_domains,
// debug_peer_list: names, `.domain`, addresses, networks, "!" for not,
// "/file/name" for the content of a file, "type:table". Read in order; the
// first pattern that matches decides. postconf(5), mynetworks and
// parent_domain_matches_subdomains.
//
// A list whose tables are open in this process answers by itself (matches). A
// process that must ask another for tables walks the list (Walk).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/tables/network.h"
#include "common/tables/table.h"

namespace postern::tables {

struct Pattern {
  enum class Type {
    text,     // a name or any other string
    network,  // an address or a network
    table,    // "type:name"
    broken,   // cannot be read: whoever gets this far gets Trouble
  };
  Type type = Type::text;
  bool negated = false;
  std::string text;     // lower case, but for tables as written
  Network network;      // Type::network
  std::string problem;  // Type::broken
};

struct MatchOptions {
  enum class Kind {
    strings,    // whole strings only
    domains,    // names and their parents
    addresses,  // names, parents, addresses and networks
  };
  Kind kind = Kind::strings;
  // "domain" also matches its subdomains (the list is named in
  // parent_domain_matches_subdomains); otherwise only ".domain" does.
  bool parents = false;
  // The parameter's name, for messages.
  std::string title;
  OpenOptions tables;
};

class MatchList {
 public:
  MatchList() = default;
  // Never fails: what cannot be read becomes a broken pattern, and a warning
  // to options.tables.warn. Tables are not opened yet.
  static MatchList parse(std::string_view text, MatchOptions options);

  // Opens the tables; `only_memory`: those that tables::in_memory says.
  void open_tables(bool only_memory = false);

  // Whether the string, domain or host matches. Trouble: a table could not
  // say, or a broken pattern was reached. `address` is without brackets.
  Result<bool> matches(std::string_view name, std::string_view address = "");

  const std::vector<Pattern>& patterns() const { return patterns_; }
  const MatchOptions& options() const { return options_; }
  bool empty() const { return patterns_.empty(); }

  // What is wrong with the broken patterns, for `check`.
  std::vector<std::string> problems() const;

  class Walk;

 private:
  void add(std::string_view text, bool negated, int depth);
  void add_one(std::string_view word, bool negated, int depth);
  void add_file(const std::string& path, bool negated, int depth);
  void add_broken(std::string_view word, std::string problem);

  MatchOptions options_;
  std::vector<Pattern> patterns_;
  // Beside patterns_; null where none is open.
  std::vector<std::unique_ptr<Table>> tables_;
};

// One question for the tables of a list:
//
//   MatchList::Walk walk(list, name, address);
//   for (;;) {
//     Result<std::optional<MatchList::Walk::Question>> next = walk.next();
//     if (!next) …                      // the list cannot say
//     if (!*next) break;
//     … ask (*next)->table for (*next)->key …
//     walk.answer(found);
//   }
//   walk.matched()
class MatchList::Walk {
 public:
  struct Question {
    std::string table;  // "type:name"
    std::string key;
  };

  // The list must outlive the walk.
  Walk(MatchList& list, std::string_view name, std::string_view address = "");

  // The next question that this process cannot answer itself; nullopt: the
  // walk is over.
  Result<std::optional<Question>> next();
  // To the question handed out last.
  void answer(bool found);

  bool matched() const { return matched_; }

 private:
  bool simple_match(const Pattern& pattern) const;
  void start_table(const Pattern& pattern);
  void decide(const Pattern& pattern);

  MatchList& list_;
  std::string name_;
  std::string address_;
  std::optional<Address> parsed_;
  std::size_t at_ = 0;
  std::vector<std::string> keys_;  // still to be asked of the table at at_
  bool in_table_ = false;
  bool over_ = false;
  bool matched_ = false;
};

}  // namespace postern::tables
