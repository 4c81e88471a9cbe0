#include "common/tables/build.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <unordered_map>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/tables/alias_file.h"
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
  return spec.kind == Kind::lmdb ? write_lmdb(*path, options)
                                 : write_index(*path, options);
}

// Reads entries from text, complaining about what is no entry.
class EntryReader {
 public:
  EntryReader(std::string_view text, std::string source,
              const BuildOptions& options)
      : lines_(text), source_(std::move(source)), options_(options) {}

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

 private:
  std::string place() const {
    return source_ + ", line " + std::to_string(lines_.first_line()) + ": ";
  }
  void complain(std::string_view text) const {
    if (options_.warn) options_.warn(place() + std::string(text));
  }

  LogicalLines lines_;
  std::string source_;
  const BuildOptions& options_;
};

void warn_duplicate(const BuildOptions& options, const Spec& spec,
                    const std::string& key) {
  if (options.duplicates == Duplicates::warn && options.warn)
    options.warn((spec.kind == Kind::lmdb ? spec.text() : spec.name + ".db") +
                 ": duplicate entry: \"" + key + "\"");
}

// Every entry, in the order of keys: filling a tree in its order is several
// times faster than at random, and leaves it smaller.
std::vector<Entry> sorted_entries(std::string_view text, const Spec& spec,
                                  const BuildOptions& options) {
  std::vector<Entry> entries;
  std::unordered_map<std::string_view, std::size_t> seen;
  std::deque<Entry> kept;  // its elements stay where they are
  EntryReader reader(text, spec.name, options);
  while (auto next = reader.next()) {
    const auto known = seen.find(next->key);
    if (known == seen.end()) {
      kept.push_back(std::move(*next));
      seen.emplace(kept.back().key, kept.size() - 1);
    } else if (options.duplicates == Duplicates::replace) {
      kept[known->second].value = std::move(next->value);
    } else {
      warn_duplicate(options, spec, next->key);
    }
  }
  seen.clear();
  entries.assign(std::make_move_iterator(kept.begin()),
                 std::make_move_iterator(kept.end()));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.key < b.key; });
  return entries;
}

}  // namespace

Result<std::string> file_of(const Spec& spec) {
  if (spec.kind == Kind::indexed) return spec.name + ".db";
  if (spec.kind == Kind::lmdb) return spec.name + ".lmdb";
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
  const std::vector<Entry> entries =
      sorted_entries(*text, spec, options);

  WriterOptions writing = writer_options(spec, options);
  struct stat source{};
  if (options.inherit_mode && stat(spec.name.c_str(), &source) == 0)
    writing.mode = source.st_mode & 0777;
  for (const Entry& entry : entries)
    writing.expected_bytes += entry.key.size() + entry.value.size() + 32;
  Result<std::unique_ptr<TableWriter>> writer = open_writer(spec, writing);
  if (!writer) return writer.trouble();
  for (const Entry& entry : entries) {
    const Result<bool> added = (*writer)->put(entry.key, entry.value, false);
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
  struct stat file{};
  if (options.inherit_mode && stat(spec.name.c_str(), &file) == 0)
    writing.mode = file.st_mode & 0777;
  Result<std::unique_ptr<TableWriter>> writer = open_writer(spec, writing);
  if (!writer) return writer.trouble();
  EntryReader reader(text, source, options);
  while (auto next = reader.next()) {
    const Result<bool> added =
        (*writer)->put(next->key, next->value,
                       options.duplicates == Duplicates::replace);
    if (!added) return added.trouble();
    if (!*added) warn_duplicate(options, spec, next->key);
  }
  return (*writer)->commit();
}

Result<std::size_t> remove_keys(const Spec& spec,
                                const std::vector<std::string>& keys,
                                const BuildOptions& options) {
  Result<std::string> path = file_of(spec);
  if (!path) return path.trouble();
  struct stat file{};
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
