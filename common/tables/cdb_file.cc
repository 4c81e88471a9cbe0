#include "common/tables/cdb_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <unordered_map>
#include <vector>

#include "common/os/files.h"
#include "common/tables/new_file.h"

namespace postern::tables {
namespace {

constexpr std::size_t table_count = 256;
constexpr std::size_t head_size = table_count * 8;
constexpr std::uint64_t largest = std::numeric_limits<std::uint32_t>::max();

std::uint32_t hash_of(std::string_view key) {
  std::uint32_t hash = 5381;
  for (const char c : key)
    hash = ((hash << 5) + hash) ^ static_cast<unsigned char>(c);
  return hash;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void append_number(std::string& to, std::uint64_t value) {
  for (int i = 0; i < 4; ++i)
    to += static_cast<char>(value >> (8 * i) & 0xff);
}

std::string_view without_nul(std::string_view bytes) {
  if (!bytes.empty() && bytes.back() == '\0') bytes.remove_suffix(1);
  return bytes;
}

// A record: lengths of key and value, key, value.
struct Record {
  std::string_view key;
  std::string_view value;
};
std::optional<Record> record_at(std::string_view bytes, std::uint64_t at) {
  if (at < head_size || at + 8 > bytes.size()) return std::nullopt;
  const std::uint64_t key = number_at(bytes, at);
  const std::uint64_t value = number_at(bytes, at + 4);
  if (at + 8 + key + value > bytes.size()) return std::nullopt;
  return Record{bytes.substr(at + 8, key), bytes.substr(at + 8 + key, value)};
}

}  // namespace

void CdbReader::Unmap::operator()(const char* bytes) const {
  ::munmap(const_cast<char*>(bytes), size);
}

Result<CdbReader> CdbReader::open(const std::string& path) {
  Result<Fd> file = os::open_file(path, O_RDONLY);
  if (!file) {
    std::string why = file.trouble().text;
    if (why.starts_with("open ")) why.replace(0, 5, "open database ");
    return try_later("3.0", std::move(why));
  }
  struct stat facts {};
  if (::fstat(file->get(), &facts) != 0)
    return os::system_trouble("open database " + path, errno);
  const auto size = static_cast<std::size_t>(facts.st_size);
  CdbReader reader;
  reader.path_ = path;
  if (size < head_size)
    return try_later("3.5", "open database " + path +
                                ": this is not a constant database (cdb)");
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file->get(), 0);
  if (bytes == MAP_FAILED)
    return os::system_trouble("open database " + path, errno);
  reader.map_ = std::unique_ptr<const char, Unmap>(
      static_cast<const char*>(bytes), Unmap{size});
  reader.bytes_ = {static_cast<const char*>(bytes), size};
  return reader;
}

CdbReader CdbReader::of(std::string_view bytes, std::string path) {
  CdbReader reader;
  reader.path_ = std::move(path);
  reader.bytes_ = bytes;
  return reader;
}

Trouble CdbReader::broken() const {
  return try_later("3.5", "database " + path_ + ": the file is damaged");
}

Result<std::optional<std::string_view>> CdbReader::find(
    std::string_view key) const {
  const std::uint32_t hash = hash_of(key);
  if (bytes_.size() < head_size) return broken();
  const std::size_t head = hash % table_count * 8;
  const std::uint64_t table = number_at(bytes_, head);
  const std::uint64_t slots = number_at(bytes_, head + 4);
  if (slots == 0) return std::optional<std::string_view>();
  if (table + slots * 8 > bytes_.size()) return broken();
  std::uint64_t slot = (hash >> 8) % slots;
  for (std::uint64_t i = 0; i < slots; ++i) {
    const std::size_t at = table + slot * 8;
    const std::uint32_t place = number_at(bytes_, at + 4);
    if (place == 0) break;
    if (number_at(bytes_, at) == hash) {
      const auto record = record_at(bytes_, place);
      if (!record) return broken();
      if (record->key == key) return std::optional(record->value);
    }
    slot = slot + 1 == slots ? 0 : slot + 1;
  }
  return std::optional<std::string_view>();
}

Found CdbReader::get(std::string_view key) const {
  const std::string with_nul = std::string(key) + '\0';
  for (const bool nul : {false, true}) {
    auto found = find(nul ? std::string_view(with_nul) : key);
    if (!found) return found.trouble();
    if (*found)
      return std::optional<std::string>(nul ? without_nul(**found) : **found);
  }
  return std::optional<std::string>();
}

Status CdbReader::for_each(const Table::Visit& visit) const {
  if (bytes_.size() < head_size) return broken();
  // Records end where the first table begins.
  std::uint64_t end = bytes_.size();
  for (std::size_t i = 0; i < table_count; ++i)
    end = std::min<std::uint64_t>(end, number_at(bytes_, i * 8));
  for (std::uint64_t at = head_size; at < end;) {
    const auto record = record_at(bytes_, at);
    if (!record) return broken();
    visit(without_nul(record->key), without_nul(record->value));
    at += 8 + record->key.size() + record->value.size();
  }
  return {};
}

namespace {

class CdbWriter : public TableWriter {
 public:
  CdbWriter(NewFile file, const WriterOptions& options)
      : file_(std::move(file)), options_(options) {}

  Status start(const std::string& path) {
    if (!options_.keep || !file_.had_old()) return {};
    const Result<CdbReader> old = CdbReader::open(path);
    if (!old) return old.trouble();
    return old->for_each([this](std::string_view key, std::string_view value) {
      (void)put(key, value, false);
    });
  }

  Result<bool> put(std::string_view key, std::string_view value,
                   bool replace) override {
    const auto [at, is_new] =
        index_.try_emplace(std::string(key), entries_.size());
    if (is_new) {
      entries_.push_back({at->first, std::string(value), true});
    } else if (replace) {
      entries_[at->second].value = value;
    }
    return is_new || replace;
  }

  Result<bool> remove(std::string_view key) override {
    const auto at = index_.find(std::string(key));
    if (at == index_.end()) return false;
    entries_[at->second].live = false;
    index_.erase(at);
    return true;
  }

  Status commit() override {
    std::string bytes(head_size, '\0');
    std::array<std::vector<Slot>, table_count> tables;
    for (const Entry& entry : entries_) {
      if (!entry.live) continue;
      const std::string key = stored(entry.key);
      const std::string value = stored(entry.value);
      if (bytes.size() + 8 + key.size() + value.size() > largest)
        return too_large();
      const std::uint32_t hash = hash_of(key);
      tables[hash % table_count].push_back(
          {hash, static_cast<std::uint32_t>(bytes.size())});
      append_number(bytes, key.size());
      append_number(bytes, value.size());
      bytes += key;
      bytes += value;
    }
    std::string head;
    for (const std::vector<Slot>& table : tables) {
      append_number(head, bytes.size());
      append_number(head, table.size() * 2);
      append_table(bytes, table);
      if (bytes.size() > largest) return too_large();
    }
    bytes.replace(0, head_size, head);
    const Result<Fd> file = os::open_file(file_.name(), O_WRONLY | O_TRUNC);
    if (!file) return file.trouble();
    const Status written = os::write_all(file->get(), bytes, file_.name());
    if (!written.ok()) return written;
    return file_.finish();
  }

 private:
  struct Entry {
    std::string key;
    std::string value;
    bool live;
  };
  struct Slot {
    std::uint32_t hash;
    std::uint32_t place;
  };

  std::string stored(const std::string& text) const {
    return options_.nul ? text + '\0' : text;
  }

  Trouble too_large() const {
    return give_up("3.5", "write database " + file_.name() +
                              ": a constant database holds at most 4 GiB");
  }

  // Twice as many slots as entries: chains stay short.
  static void append_table(std::string& bytes, const std::vector<Slot>& table) {
    std::vector<Slot> slots(table.size() * 2, Slot{0, 0});
    for (const Slot& one : table) {
      std::size_t at = (one.hash >> 8) % slots.size();
      while (slots[at].place != 0) at = at + 1 == slots.size() ? 0 : at + 1;
      slots[at] = one;
    }
    for (const Slot& slot : slots) {
      append_number(bytes, slot.hash);
      append_number(bytes, slot.place);
    }
  }

  NewFile file_;
  WriterOptions options_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

Result<std::unique_ptr<TableWriter>> write_cdb(const std::string& path,
                                               const WriterOptions& options) {
  Result<NewFile> file = NewFile::create(path, options.keep, options.mode);
  if (!file) return file.trouble();
  auto writer = std::make_unique<CdbWriter>(std::move(*file), options);
  const Status started = writer->start(path);
  if (!started.ok()) return started.trouble();
  return std::unique_ptr<TableWriter>(std::move(writer));
}

}  // namespace postern::tables
