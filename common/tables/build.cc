#include "common/tables/build.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/tables/alias_file.h"
#include "common/tables/cdb_file.h"
#include "common/tables/index_file.h"
#include "common/tables/lmdb_file.h"
#include "common/tables/source.h"

namespace postern::tables {
namespace {

constexpr std::size_t largest_source = std::size_t{4} << 30;
constexpr std::size_t glance = 64u << 10;

std::string_view maker(bool aliases) {
  return aliases ? "postalias" : "postmap";
}

WriterOptions writer_options(const Spec& spec, const BuildOptions& options) {
  WriterOptions writer;
  writer.nul = options.nul;
  writer.made_by = maker(options.aliases);
  writer.rebuild = writer.made_by + " " + spec.text();
  writer.map_size = options.lmdb_map_size;
  return writer;
}

Result<std::unique_ptr<TableWriter>> open_writer(const Spec& spec,
                                                 const WriterOptions& options) {
  Result<std::string> path = file_of(spec);
  if (!path) return path.trouble();
  if (spec.kind == Kind::lmdb) return write_lmdb(*path, options);
  if (spec.kind == Kind::cdb) return write_cdb(*path, options);
  return write_index(*path, options);
}

// Reads entries from text, complaining about what is no entry.
class EntryReader {
 public:
  using Complain = std::function<void(int line, std::string text)>;

  EntryReader(std::string_view text, const BuildOptions& options,
              Complain complain)
      : lines_(text), options_(options), complain_(std::move(complain)) {}

  // nullopt at the end.
  std::optional<Entry> next() {
    while (auto line = lines_.next()) {
      if (options_.utf8 && !all_ascii(*line) && !valid_utf8(*line)) {
        complain("non-UTF-8 input \"" + printable(*line) +
                 "\" -- ignoring this line");
        continue;
      }
      SourceLine parsed =
          options_.aliases ? parse_alias(*line) : parse_entry(*line);
      if (!parsed.complaint.empty()) complain(parsed.complaint);
      if (!parsed.entry) continue;
      if (options_.fold) parsed.entry->key = mail::fold_key(parsed.entry->key);
      if (options_.values_are_files) {
        Result<std::string> content = content_of_files(parsed.entry->value);
        if (!content) {
          complain(content.trouble().text + ": skipping this entry");
          continue;
        }
        parsed.entry->value = base64_encode(*content);
      }
      return std::move(parsed.entry);
    }
    return std::nullopt;
  }

  int line() const { return lines_.first_line(); }

 private:
  void complain(const std::string& text) { complain_(line(), text); }

  LogicalLines lines_;
  const BuildOptions& options_;
  Complain complain_;
};

std::string placed(const std::string& source, int line,
                   const std::string& text) {
  return source + ", line " + std::to_string(line) + ": " + text;
}

std::string duplicate(const Spec& spec, const std::string& key) {
  const std::string shown = spec.kind == Kind::indexed ? spec.name + ".db"
                            : spec.kind == Kind::lmdb  ? spec.text()
                                                       : spec.name;
  return shown + ": duplicate entry: \"" + key + "\"";
}

// A source file's entries in the order of their keys, one for each key:
// filling a tree in its order is several times faster than at random, and
// leaves it smaller. Complaints come in the order of the file.
class SortedEntries {
 public:
  SortedEntries(std::string_view text, const Spec& spec,
                const BuildOptions& options)
      : spec_(spec), options_(options) {
    read(text);
    sort();
    drop_duplicates();
    tell();
  }

  std::size_t size() const { return order_.size(); }
  const Entry& operator[](std::size_t i) const {
    return entries_[order_[i].number].entry;
  }

 private:
  struct Numbered {
    Entry entry;
    int line;
  };
  // Most comparisons end at the first eight bytes, which are at hand here.
  struct Place {
    std::uint64_t first_bytes;
    std::size_t number;
  };
  struct Complaint {
    int line;
    std::string text;
  };

  static std::uint64_t first_bytes(std::string_view key) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < 8; ++i)
      bytes = bytes << 8 |
              (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
    return bytes;
  }

  const std::string& key(const Place& place) const {
    return entries_[place.number].entry.key;
  }

  void read(std::string_view text) {
    EntryReader reader(text, options_, [this](int line, std::string what) {
      complaints_.push_back({line, placed(spec_.name, line, what)});
    });
    while (auto entry = reader.next()) {
      order_.push_back({first_bytes(entry->key), entries_.size()});
      entries_.push_back({std::move(*entry), reader.line()});
    }
  }

  void sort() {
    std::sort(order_.begin(), order_.end(),
              [this](const Place& a, const Place& b) {
                if (a.first_bytes != b.first_bytes)
                  return a.first_bytes < b.first_bytes;
                const int compared = key(a).compare(key(b));
                return compared != 0 ? compared < 0 : a.number < b.number;
              });
  }

  // The first of several stays, or the last with -r.
  void drop_duplicates() {
    std::size_t kept = 0;
    for (const Place& place : order_) {
      const bool known = kept > 0 && key(order_[kept - 1]) == key(place);
      if (!known) {
        order_[kept++] = place;
      } else if (options_.duplicates == Duplicates::replace) {
        order_[kept - 1] = place;
      } else if (options_.duplicates == Duplicates::warn) {
        complaints_.push_back(
            {entries_[place.number].line, duplicate(spec_, key(place))});
      }
    }
    order_.resize(kept);
  }

  void tell() {
    std::stable_sort(
        complaints_.begin(), complaints_.end(),
        [](const Complaint& a, const Complaint& b) { return a.line < b.line; });
    if (!options_.warn) return;
    for (const Complaint& one : complaints_) options_.warn(one.text);
  }

  const Spec& spec_;
  const BuildOptions& options_;
  std::vector<Numbered> entries_;
  std::vector<Place> order_;
  std::vector<Complaint> complaints_;
};

}  // namespace

Result<std::string> file_of(const Spec& spec) {
  if (spec.kind == Kind::indexed) return spec.name + ".db";
  if (spec.kind == Kind::lmdb) return spec.name + ".lmdb";
  if (spec.kind == Kind::cdb) return spec.name + ".cdb";
  return give_up("3.5", "unsupported dictionary type: " + spec.type +
                            " does not support bulk-mode creation.");
}

std::string rebuild_command(const Spec& spec) {
  bool aliases = false;
  if (Result<Fd> file = os::open_file(spec.name, O_RDONLY); file) {
    const Result<std::string> start =
        os::read_at(file->get(), glance, 0, spec.name);
    aliases = start && looks_like_aliases(*start);
  }
  return std::string(maker(aliases)) + " " + spec.text();
}

Status build(const Spec& spec, const BuildOptions& options) {
  Result<std::string> text = os::read_file(spec.name, largest_source);
  if (!text) return text.trouble();
  Result<std::string> path = file_of(spec);
  if (!path) return path.trouble();
  const SortedEntries entries(*text, spec, options);

  WriterOptions writing = writer_options(spec, options);
  struct stat source {};
  if (options.inherit_mode && stat(spec.name.c_str(), &source) == 0)
    writing.mode = source.st_mode & 0777;
  writing.expected_bytes = text->size() + 32 * entries.size();
  Result<std::unique_ptr<TableWriter>> writer = open_writer(spec, writing);
  if (!writer) return writer.trouble();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Result<bool> added =
        (*writer)->put(entries[i].key, entries[i].value, false);
    if (!added) return added.trouble();
    require(*added, "two entries of one key were left in a table");
  }
  return (*writer)->commit();
}

Status add_entries(const Spec& spec, std::string_view text,
                   const std::string& source, const BuildOptions& options) {
  Result<std::string> path = file_of(spec);
  if (!path) return path.trouble();
  WriterOptions writing = writer_options(spec, options);
  writing.keep = true;
  writing.expected_bytes = 2 * text.size();
  struct stat file {};
  if (options.inherit_mode && stat(spec.name.c_str(), &file) == 0)
    writing.mode = file.st_mode & 0777;
  Result<std::unique_ptr<TableWriter>> writer = open_writer(spec, writing);
  if (!writer) return writer.trouble();
  EntryReader reader(text, options, [&](int line, std::string what) {
    if (options.warn) options.warn(placed(source, line, what));
  });
  while (auto next = reader.next()) {
    const Result<bool> added = (*writer)->put(
        next->key, next->value, options.duplicates == Duplicates::replace);
    if (!added) return added.trouble();
    if (!*added && options.duplicates == Duplicates::warn && options.warn)
      options.warn(duplicate(spec, next->key));
  }
  return (*writer)->commit();
}

Result<std::size_t> remove_keys(const Spec& spec,
                                const std::vector<std::string>& keys,
                                const BuildOptions& options) {
  Result<std::string> path = file_of(spec);
  if (!path) return path.trouble();
  struct stat file {};
  if (stat(path->c_str(), &file) != 0)
    return os::system_trouble("open database " + *path, errno);
  WriterOptions writing = writer_options(spec, options);
  writing.keep = true;
  Result<std::unique_ptr<TableWriter>> writer = open_writer(spec, writing);
  if (!writer) return writer.trouble();
  std::size_t count = 0;
  for (const std::string& key : keys) {
    const Result<bool> removed =
        (*writer)->remove(options.fold ? mail::fold_key(key) : key);
    if (!removed) return removed.trouble();
    if (*removed) ++count;
  }
  // Nothing went: the file stays as it is.
  if (count == 0) return count;
  const Status committed = (*writer)->commit();
  if (!committed.ok()) return committed.trouble();
  return count;
}

}  // namespace postern::tables
