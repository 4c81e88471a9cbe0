#include "common/tables/lmdb_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/os/files.h"
#include "common/tables/new_file.h"

namespace postern::tables {
namespace {

Trouble lmdb_trouble(const std::string& path, int error) {
  return try_later("3.0", "database " + path + ": " + mdb_strerror(error));
}

// A lock on the whole file while it lives.
class FileLock {
 public:
  FileLock(int file, short type) : file_(file) {
    struct flock lock = whole(type);
    do error_ = fcntl(file_, F_SETLKW, &lock) == 0 ? 0 : errno;
    while (error_ == EINTR);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    struct flock lock = whole(F_UNLCK);
    fcntl(file_, F_SETLK, &lock);
  }
  int error() const { return error_; }

 private:
  static struct flock whole(short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return lock;
  }
  int file_;
  int error_ = 0;
};

struct AbortTransaction {
  void operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
};
using Transaction = std::unique_ptr<MDB_txn, AbortTransaction>;

MDB_val bytes_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
std::string_view text_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}
std::string_view without_nul(std::string_view bytes) {
  if (!bytes.empty() && bytes.back() == '\0') bytes.remove_suffix(1);
  return bytes;
}

Result<Transaction> begin(const std::string& path, MDB_env* environment,
                          unsigned flags) {
  MDB_txn* transaction = nullptr;
  const int error = mdb_txn_begin(environment, nullptr, flags, &transaction);
  if (error != 0) return lmdb_trouble(path, error);
  return Transaction(transaction);
}

Result<Environment> open_environment(const std::string& path, unsigned flags,
                                     std::size_t map_size, mode_t mode) {
  MDB_env* raw = nullptr;
  int error = mdb_env_create(&raw);
  if (error != 0) return lmdb_trouble(path, error);
  Environment environment(raw);
  if (map_size > 0) error = mdb_env_set_mapsize(raw, map_size);
  if (error == 0)
    error = mdb_env_open(raw, path.c_str(),
                         flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, mode);
  if (error != 0)
    return try_later("3.0",
                     "open database " + path + ": " + mdb_strerror(error));
  int file = -1;
  if (mdb_env_get_fd(raw, &file) == 0) fcntl(file, F_SETFD, FD_CLOEXEC);
  return environment;
}

}  // namespace

Result<LmdbReader> LmdbReader::open(const std::string& path) {
  // LMDB's words for a missing file are its own: ask the system first.
  Result<Fd> file = os::open_file(path, O_RDONLY);
  if (!file) {
    std::string why = file.trouble().text;
    if (why.starts_with("open ")) why.replace(0, 5, "open database ");
    return try_later("3.0", std::move(why));
  }
  file->reset();
  Result<Environment> environment = open_environment(path, MDB_RDONLY, 0, 0644);
  if (!environment) return environment.trouble();
  LmdbReader reader;
  reader.path_ = path;
  reader.environment_ = std::move(*environment);
  Result<Transaction> transaction =
      begin(path, reader.environment_.get(), MDB_RDONLY);
  if (!transaction) return transaction.trouble();
  const int error =
      mdb_dbi_open(transaction->get(), nullptr, 0, &reader.database_);
  if (error != 0) return lmdb_trouble(path, error);
  return reader;
}

Found LmdbReader::get(std::string_view key) {
  int file = -1;
  mdb_env_get_fd(environment_.get(), &file);
  const FileLock lock(file, F_RDLCK);
  if (lock.error() != 0)
    return os::system_trouble("lock database " + path_, lock.error());
  Result<Transaction> transaction =
      begin(path_, environment_.get(), MDB_RDONLY);
  if (!transaction) return transaction.trouble();
  const std::string with_nul = std::string(key) + '\0';
  // Written with -N, or without.
  for (const bool nul : {false, true}) {
    MDB_val stored_key = bytes_of(nul ? std::string_view(with_nul) : key);
    if (stored_key.mv_size == 0) continue;
    MDB_val value;
    const int error =
        mdb_get(transaction->get(), database_, &stored_key, &value);
    if (error == 0)
      return std::optional<std::string>(nul ? without_nul(text_of(value))
                                            : text_of(value));
    // Too long for any key of LMDB.
    if (error == MDB_BAD_VALSIZE) break;
    if (error != MDB_NOTFOUND) return lmdb_trouble(path_, error);
  }
  return std::optional<std::string>();
}

Status LmdbReader::for_each(const Table::Visit& visit) {
  int file = -1;
  mdb_env_get_fd(environment_.get(), &file);
  const FileLock lock(file, F_RDLCK);
  if (lock.error() != 0)
    return os::system_trouble("lock database " + path_, lock.error());
  Result<Transaction> transaction =
      begin(path_, environment_.get(), MDB_RDONLY);
  if (!transaction) return transaction.trouble();
  MDB_cursor* raw = nullptr;
  int error = mdb_cursor_open(transaction->get(), database_, &raw);
  if (error != 0) return lmdb_trouble(path_, error);
  const std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> cursor(
      raw, &mdb_cursor_close);
  MDB_val key;
  MDB_val value;
  while ((error = mdb_cursor_get(raw, &key, &value, MDB_NEXT)) == 0)
    visit(without_nul(text_of(key)), without_nul(text_of(value)));
  if (error != MDB_NOTFOUND) return lmdb_trouble(path_, error);
  return {};
}

namespace {

class LmdbWriter : public TableWriter {
 public:
  LmdbWriter(NewFile file, const WriterOptions& options)
      : file_(std::move(file)), options_(options) {}

  Status start() {
    // Pages are half full at worst, and a transaction keeps the old ones.
    struct stat now {};
    const std::size_t present = stat(file_.name().c_str(), &now) == 0
                                    ? static_cast<std::size_t>(now.st_size)
                                    : 0;
    const std::size_t map_size =
        std::max(options_.map_size,
                 4 * (options_.expected_bytes + present) + (64u << 20));
    Result<Environment> environment = open_environment(
        file_.name(), MDB_NOSYNC, map_size / 4096 * 4096, 0600);
    if (!environment) return environment.trouble();
    environment_ = std::move(*environment);
    Result<Transaction> transaction =
        begin(file_.name(), environment_.get(), 0);
    if (!transaction) return transaction.trouble();
    transaction_ = std::move(*transaction);
    const int error = mdb_dbi_open(transaction_.get(), nullptr, 0, &database_);
    if (error != 0) return lmdb_trouble(file_.name(), error);
    return {};
  }

  Result<bool> put(std::string_view key, std::string_view value,
                   bool replace) override {
    const std::string stored_key = stored(key);
    const std::string stored_value = stored(value);
    MDB_val key_bytes = bytes_of(stored_key);
    MDB_val value_bytes = bytes_of(stored_value);
    const int error = mdb_put(transaction_.get(), database_, &key_bytes,
                              &value_bytes, replace ? 0 : MDB_NOOVERWRITE);
    if (error == MDB_KEYEXIST) return false;
    if (error != 0) return lmdb_trouble(file_.name(), error);
    return true;
  }

  Result<bool> remove(std::string_view key) override {
    bool removed = false;
    for (const bool nul : {false, true}) {
      std::string stored_key(key);
      if (nul) stored_key.push_back('\0');
      MDB_val key_bytes = bytes_of(stored_key);
      if (key_bytes.mv_size == 0) continue;
      const int error =
          mdb_del(transaction_.get(), database_, &key_bytes, nullptr);
      if (error != 0 && error != MDB_NOTFOUND && error != MDB_BAD_VALSIZE)
        return lmdb_trouble(file_.name(), error);
      removed = removed || error == 0;
    }
    return removed;
  }

  Status commit() override {
    const int error = mdb_txn_commit(transaction_.release());
    if (error != 0) return lmdb_trouble(file_.name(), error);
    environment_.reset();
    return file_.finish();
  }

 private:
  std::string stored(std::string_view text) const {
    std::string bytes(text);
    if (options_.nul) bytes.push_back('\0');
    return bytes;
  }

  NewFile file_;
  WriterOptions options_;
  Environment environment_;
  Transaction transaction_;
  MDB_dbi database_ = 0;
};

}  // namespace

Result<std::unique_ptr<TableWriter>> write_lmdb(const std::string& path,
                                                const WriterOptions& options) {
  Result<NewFile> file = NewFile::create(path, options.keep, options.mode);
  if (!file) return file.trouble();
  auto writer = std::make_unique<LmdbWriter>(std::move(*file), options);
  const Status started = writer->start();
  if (!started.ok()) return started.trouble();
  return std::unique_ptr<TableWriter>(std::move(writer));
}

}  // namespace postern::tables
