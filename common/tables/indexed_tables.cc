// hash:, btree:, lmdb: and cdb: tables: files made by postmap or postalias. They
// notice when their file was replaced.
#include <sys/stat.h>

#include <chrono>

#include "common/os/files.h"
#include "common/tables/alias_file.h"
#include "common/tables/build.h"
#include "common/tables/cdb_file.h"
#include "common/tables/file_state.h"
#include "common/tables/index_file.h"
#include "common/tables/lmdb_file.h"
#include "common/tables/openers.h"

namespace postern::tables {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto check_interval = std::chrono::seconds(1);

bool older(const struct stat& a, const struct stat& b) {
  if (a.st_mtim.tv_sec != b.st_mtim.tv_sec)
    return a.st_mtim.tv_sec < b.st_mtim.tv_sec;
  return a.st_mtim.tv_nsec < b.st_mtim.tv_nsec;
}

Result<IndexReader> open_reader(const IndexReader*, const std::string& path,
                                const std::string& rebuild) {
  return IndexReader::open(path, rebuild);
}
Result<LmdbReader> open_reader(const LmdbReader*, const std::string& path,
                               const std::string&) {
  return LmdbReader::open(path);
}
Result<CdbReader> open_reader(const CdbReader*, const std::string& path,
                              const std::string&) {
  return CdbReader::open(path);
}

std::string maker(const IndexReader& reader) { return reader.made_by(); }
std::string maker(const LmdbReader&) { return ""; }
std::string maker(const CdbReader&) { return ""; }

template <class Reader>
class FileTable : public Table {
 public:
  FileTable(const Spec& spec, Warn warn)
      : Table(spec.text()),
        spec_(spec),
        path_(*file_of(spec)),
        warn_open_(std::move(warn)) {}

  Status start() {
    const Status opened = reopen();
    if (opened.ok()) return opened;
    Trouble trouble = opened.trouble();
    // Missing, but it could be made.
    if (!os::exists(path_) && os::exists(spec_.name))
      trouble.text += "; create it with \"" + rebuild_command(spec_) + "\"";
    return trouble;
  }

  Status for_each(const Visit& visit) override {
    return reader_->for_each(visit);
  }

 protected:
  Found look_up(std::string_view key) override {
    const Status current = follow();
    if (!current.ok()) return current.trouble();
    return reader_->get(key);
  }

 private:
  Status reopen() {
    reader_.reset();
    checked_ = Clock::now();
    // Before the file is opened: should it change in between, the next check
    // sees it.
    struct stat now {};
    if (stat(path_.c_str(), &now) == 0) opened_ = now;
    Result<Reader> reader = open_reader(static_cast<const Reader*>(nullptr),
                                        path_, rebuild_command(spec_));
    if (!reader) return reader.trouble();
    reader_.emplace(std::move(*reader));
    warn_if_outdated();
    return {};
  }

  void warn_if_outdated() {
    struct stat source {};
    if (!warn_open_ || stat(spec_.name.c_str(), &source) != 0 ||
        !older(opened_, source))
      return;
    const std::string made_by = maker(*reader_);
    const std::string command =
        made_by.empty() ? rebuild_command(spec_) : made_by + " " + name();
    warn_open_("database " + path_ + " is older than source file " +
               spec_.name + "; bring it up to date with \"" + command + "\"");
  }

  // Opens the file again when another has its name now.
  Status follow() {
    const Clock::time_point now = Clock::now();
    if (reader_ && now - checked_ < check_interval) return {};
    checked_ = now;
    struct stat named {};
    // Gone: what is open still answers.
    if (stat(path_.c_str(), &named) != 0 && reader_) return {};
    if (reader_ && same_file(named, opened_)) return {};
    return reopen();
  }

  Spec spec_;
  std::string path_;
  Warn warn_open_;
  std::optional<Reader> reader_;
  struct stat opened_ {};
  Clock::time_point checked_;
};

template <class Reader>
Opened open_file_table(const Spec& spec, const OpenOptions& options) {
  auto table = std::make_unique<FileTable<Reader>>(spec, options.warn);
  const Status started = table->start();
  if (!started.ok()) return started.trouble();
  return Opened(std::move(table));
}

}  // namespace

Opened open_indexed(const Spec& spec, const OpenOptions& options) {
  return open_file_table<IndexReader>(spec, options);
}

Opened open_lmdb(const Spec& spec, const OpenOptions& options) {
  return open_file_table<LmdbReader>(spec, options);
}

Opened open_cdb(const Spec& spec, const OpenOptions& options) {
  return open_file_table<CdbReader>(spec, options);
}

}  // namespace postern::tables
