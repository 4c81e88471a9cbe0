// A lookup table: a key has a value, or none, or the table could not say.
// The last is Trouble, and callers must make a deferral of it, never "no".
// See spec.h for names, maps.h for lists of tables, build.h for writing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tables/spec.h"

namespace postern::tables {

// A value or nothing; Trouble: the table is broken or unreachable.
using Found = Result<std::optional<std::string>>;

// Receives one line of text for people, without "warning: ".
using Warn = std::function<void(std::string_view)>;

class Table;

struct OpenOptions {
  // For names without a type (tools). Empty: such a name is Trouble.
  std::string default_type;
  // Keys of fixed-string tables are folded to lower case. Pattern tables get
  // the key as it is: their patterns have flags of their own.
  bool fold = true;
  // Keys and values must be UTF-8 (smtputf8_enable); a key that is not has no
  // value.
  bool utf8 = true;
  // -F of postmap: a value names files, whose content is the value.
  bool values_are_files = false;
  // Bad lines, an outdated index, … Empty: nobody hears of it.
  Warn warn;
  // Opens the kinds that are not built in here (socketmap, sqlite, …). Tables
  // inside unionmap and pipemap come here as well.
  std::function<Result<std::unique_ptr<Table>>(const Spec&, const OpenOptions&)>
      other;
  // Asked for each table that is named with "proxy:", also inside others:
  // Trouble when it may not be read that way. Empty: all may.
  std::function<Status(const Spec&)> approve;
};

class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {}
  virtual ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Not const: a table reopens itself when its file was replaced.
  Found find(std::string_view key);

  // As tables::fixed_keys of spec.h: false means that searches with parts of
  // the key make no sense.
  bool fixed_keys() const { return fixed_keys_; }

  // Every entry, in the table's order. Trouble where a table cannot.
  using Visit =
      std::function<void(std::string_view key, std::string_view value)>;
  virtual Status for_each(const Visit& visit);

  // Changing one entry: only memcache: can (postmap -i, -d). The tables that
  // postmap makes are changed by build.h. remove() says whether it was there.
  virtual Status put(std::string_view key, std::string_view value);
  virtual Result<bool> remove(std::string_view key);

  // "hash:/etc/x".
  const std::string& name() const { return name_; }

 protected:
  // `key` is folded and checked as the options say.
  virtual Found look_up(std::string_view key) = 0;

  void warn(std::string_view text) const {
    if (warn_) warn_(text);
  }

 private:
  friend Result<std::unique_ptr<Table>> open(const Spec&, const OpenOptions&);
  std::string name_;
  bool fixed_keys_ = true;
  bool fold_ = false;
  bool utf8_ = false;
  Warn warn_;
};

// Trouble: no such file, a bad specification, an unknown type; its text stands
// alone ("open database /x.db: No such file or directory; …").
Result<std::unique_ptr<Table>> open(const Spec& spec,
                                    const OpenOptions& options = {});
Result<std::unique_ptr<Table>> open(std::string_view text,
                                    const OpenOptions& options = {});

// As open, but what cannot be opened becomes a table whose every answer is
// that Trouble, after a warning "TEXT is unavailable. WHY": a daemon goes on
// with what does not need the table.
std::unique_ptr<Table> open_or_unavailable(std::string_view text,
                                           const OpenOptions& options = {});

}  // namespace postern::tables
