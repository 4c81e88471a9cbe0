// What a table is called: "hash:/etc/postern/virtual", "inline:{a=b}",
// "proxy:btree:/x". Parsing only; opening is table.h. See DATABASE_README and
// the manual pages named there for the meaning of each type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postern::tables {

enum class Kind {
  indexed,   // hash:, btree: NAME.db written by postmap
  lmdb,      // lmdb: NAME.lmdb
  cdb,       // cdb: NAME.cdb
  texthash,  // the source text itself, read when opened
  inlined,   // inline:{a=b, {c = d e}}
  constant,  // static:text: every key has this value
  regexp,
  pcre,
  cidr,
  system,     // unix:passwd.byname, unix:group.byname
  variables,  // environ:x
  unionmap,
  pipemap,
  randmap,
  fail,
  // Opened by common/databases; see OpenOptions::other.
  socketmap,
  tcp,
  sqlite,
  mysql,
  pgsql,
  ldap,
  memcache,
  nis,
};

struct Spec {
  Kind kind = Kind::indexed;
  std::string type;      // as written: "hash", "btree", …
  std::string name;      // after the colon
  bool proxied = false;  // "proxy:" stood before the type

  // "type:name", without "proxy:".
  std::string text() const { return type + ":" + name; }
};

// "type:name"; a text without a colon is a name of `default_type`, or Trouble
// when that is empty. Trouble also for a type that does not exist. "proxy:"
// prefixes are taken off, see Spec::proxied.
Result<Spec> parse_spec(std::string_view text,
                        const std::string& default_type = "");

// The table behind any number of "proxy:" prefixes.
std::string_view strip_proxy(std::string_view text);
bool is_proxied(std::string_view text);

// Whether the whole table stands in its name, so that it never changes: it can
// be opened before a process is confined and needs nothing later. unionmap and
// pipemap are in memory when all their parts are. All else must be served: a
// file may change, and whether "proxy:" is allowed is for lookup to say.
bool in_memory(const Spec& spec);
bool in_memory(std::string_view text);

// Whether an answer may take long because somebody else gives it: a server, a
// database with writers, the system's user database.
bool may_block(const Spec& spec);

// For unionmap and pipemap: the tables in the name; empty when it cannot be
// read, and for other types.
std::vector<Spec> parts_of(const Spec& spec);

// False for tables whose patterns see whole search strings (regexp, pcre, cidr,
// randmap, fail): callers skip searches with parts of the key. unionmap and
// pipemap have fixed keys when any of their parts has.
bool fixed_keys(const Spec& spec);
bool fixed_keys(std::string_view text);

// Whether text looks like a table name at all ("type:name" with a known type).
bool is_table_name(std::string_view text);

// Types that this library opens; common/databases knows the others.
const std::vector<std::string>& table_types();

}  // namespace postern::tables
