#include "lookup/tls_sessions.h"

#include <fmt/format.h>

#include <chrono>

#include "common/base/text.h"

namespace postern::lookup {
namespace {

std::int64_t seconds_now() {
  return std::chrono::duration_cast<Seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// An entry is "SECONDS SESSION", the session in base64.
std::string entry_of(std::int64_t until, const std::string& session) {
  return fmt::format("{} {}", until, base64_encode(session));
}

// When it ends; nullopt: this is no entry.
std::optional<std::int64_t> end_of(std::string_view entry) {
  const std::size_t blank = entry.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  return parse_number(entry.substr(0, blank));
}

std::string session_of(std::string_view entry) {
  return base64_decode(entry.substr(entry.find(' ') + 1)).value_or("");
}

std::string file_key(const std::string& row, const std::string& key) {
  return row + "\n" + key;
}

}  // namespace

SessionCache SessionCache::read(const config::Config& row, bool lmtp) {
  const std::string name =
      std::string(lmtp ? "lmtp" : "smtp") + "_tls_session_cache_";
  return {row.text(name + "database"),
          std::chrono::duration_cast<Seconds>(
              row.duration(name + "timeout", Seconds(3600)))};
}

TlsSessions::TlsSessions(std::string data_directory, Rows rows, log::Log log)
    : data_directory_(std::move(data_directory)),
      rows_(std::move(rows)),
      log_(std::move(log)),
      clock_(seconds_now) {}

void TlsSessions::complain(const Trouble& trouble) {
  if (trouble.text == complaint_) return;
  complaint_ = trouble.text;
  log_.warning(std::string_view(complaint_));
}

// Rows that name the same file share it, and an old process of ours may have
// it open as well.
std::shared_ptr<TlsSessions::Store> TlsSessions::store_of(
    const std::string& table) {
  const auto warn = [this](const std::string& line) { log_.warning(line); };
  std::string warning;
  std::string path =
      tables::cache_path(table, data_directory_, &warning);
  if (const auto known = stores_.find(path); known != stores_.end())
    return known->second;
  if (!warning.empty()) log_.warning(warning);
  Result<tables::CacheFile> file = tables::CacheFile::open(path, warn);
  if (!file) {
    log_.warning("{}; TLS sessions are kept in memory", file.trouble().text);
    file = tables::CacheFile::open("", warn);
  }
  if (!file) {
    complain(file.trouble());
    return nullptr;
  }
  auto store = std::make_shared<Store>();
  store->file = std::move(*file);
  clean(*store);
  stores_.emplace(std::move(path), store);
  return store;
}

TlsSessions::Row& TlsSessions::row(const std::string& name) {
  const auto known = known_.find(name);
  if (known != known_.end()) return known->second;
  const SessionCache wanted = rows_(name);
  Row made;
  made.lifetime = wanted.lifetime;
  if (!wanted.table.empty() && wanted.lifetime > Seconds(0))
    made.store = store_of(wanted.table);
  return known_.emplace(name, std::move(made)).first->second;
}

std::string TlsSessions::find(const std::string& name,
                              const std::string& key) {
  const Row& asker = row(name);
  if (!asker.store || key.size() > longest_key) return "";
  const auto entry = asker.store->file.get(file_key(name, key));
  if (!entry) {
    complain(entry.trouble());
    return "";
  }
  if (!*entry) return "";
  const std::optional<std::int64_t> end = end_of(**entry);
  // What is said to last for longer than it may was made under another limit,
  // or before the clock was set back.
  const std::int64_t now = clock_();
  const bool good = end && *end > now && *end <= now + asker.lifetime.count();
  return good ? session_of(**entry) : "";
}

void TlsSessions::keep(const std::string& name,
                       const ipc::TlsSessionKeep& kept) {
  const Row& asker = row(name);
  if (!asker.store || kept.key.size() > longest_key ||
      kept.session.size() > longest_session)
    return;
  Store& store = *asker.store;
  const std::string key = file_key(name, kept.key);
  Status done;
  if (kept.session.empty()) {
    done = store.file.remove(key);
  } else {
    const auto old = store.file.get(key);
    const bool fresh = old && !*old;
    if (fresh && store.count >= most) return;
    done = store.file.put(
        key, entry_of(clock_() + asker.lifetime.count(), kept.session));
    if (done && fresh) ++store.count;
  }
  if (!done) complain(done.trouble());
}

void TlsSessions::clean(Store& store) {
  const std::int64_t now = clock_();
  const auto counts = store.file.clean(
      [now](std::string_view, std::string_view entry) {
        const std::optional<std::int64_t> end = end_of(entry);
        return !end || *end <= now;
      });
  if (counts) store.count = counts->kept;
  else complain(counts.trouble());
}

void TlsSessions::clean() {
  for (const auto& [path, store] : stores_) clean(*store);
}

}  // namespace postern::lookup
