#include "lookup/table_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/tables/maps.h"
#include "common/tables/spec.h"

namespace postern::lookup {
namespace {

// Names come from configurations and tables, so there are few; a limit all the
// same.
constexpr std::size_t most_lists = 10'000;

ipc::TableAnswer failure(const std::string& table, const Trouble& trouble) {
  ipc::TableAnswer answer;
  answer.table = table;
  answer.trouble = ipc::TroubleWire::from(trouble);
  return answer;
}

}  // namespace

TableCache::TableCache(Options options) : options_(std::move(options)) {
  const auto names = tables::split_table_names(options_.proxy_read_maps);
  if (!names) return;
  for (const std::string& name : *names)
    if (tables::is_proxied(name)) approved_.emplace(tables::strip_proxy(name));
}

std::size_t TableCache::open_tables() const {
  std::size_t count = 0;
  for (const auto& [name, entry] : entries_)
    if (entry.table || entry.slow) ++count;
  return count;
}

std::size_t TableCache::busy_threads() const {
  std::size_t count = 0;
  for (const auto& [name, entry] : entries_)
    if (entry.slow) count += entry.slow->busy();
  return count;
}

void TableCache::complain(Voice voice, const std::string& about,
                          const std::string& line, Clock::time_point now) {
  if (!options_.complain) return;
  const auto [last, is_new] = complained_.try_emplace(about, now);
  if (!is_new && now - last->second < options_.quiet) return;
  last->second = now;
  if (complained_.size() > most_lists) complained_.clear();
  options_.complain(voice, line);
}

Result<const TableCache::List*> TableCache::list_of(const std::string& maps) {
  const auto known = lists_.find(maps);
  if (known != lists_.end()) return &known->second;
  const auto names = tables::split_table_names(maps);
  if (!names) return names.trouble();
  List list;
  for (const std::string& name : *names) {
    // A name that cannot be read fails when it is opened.
    const auto spec = tables::parse_spec(name);
    list.push_back({std::string(tables::strip_proxy(name)),
                    tables::is_proxied(name), spec && tables::may_block(*spec),
                    !spec || tables::fixed_keys(*spec)});
  }
  if (lists_.size() >= most_lists) lists_.clear();
  return &lists_.emplace(maps, std::move(list)).first->second;
}

Trouble TableCache::refuse(const std::string& name, Clock::time_point now) {
  complain(Voice::proxymap, "refused " + name,
           fmt::format("request for unapproved table: \"{}\"", name), now);
  complain(Voice::proxymap, "approve " + name,
           fmt::format("to approve this table for read-only access, list "
                       "proxy:{} in main.cf:proxy_read_maps",
                       name),
           now);
  return try_later(
      "3.0",
      fmt::format("proxymap service is not configured for table \"{}\"", name));
}

Trouble TableCache::unavailable(const std::string& name, const Trouble& why) {
  return try_later("3.0", fmt::format("{} is unavailable. {}", name, why.text));
}

// For a table of this thread; SlowTable has its own ear.
tables::OpenOptions TableCache::open_options(const std::string& name) {
  tables::OpenOptions how;
  how.utf8 = options_.utf8;
  how.other = options_.other;
  // Inside other tables: unionmap:{proxy:…}, a memcache's backup.
  how.approve = [this](const tables::Spec& spec) -> Status {
    if (approved_.contains(spec.text())) return {};
    return try_later(
        "3.0", fmt::format("proxymap service is not configured for table "
                           "\"{0}\"; to approve it, list proxy:{0} in "
                           "proxy_read_maps",
                           spec.text()));
  };
  how.warn = [this, name](std::string_view line) {
    const std::string text(line);
    complain(Voice::lookup, name + " " + text, text, Clock::now());
  };
  return how;
}

Result<std::shared_ptr<SlowTable>> TableCache::slow_table_of(
    const Named& named, Clock::time_point now) {
  if (named.proxied && !approved_.contains(named.name))
    return refuse(named.name, now);
  if (entries_.size() >= most_lists && !entries_.contains(named.name))
    entries_.clear();
  Entry& entry = entries_[named.name];
  if (!entry.slow) {
    SlowTable::Options how;
    how.open = open_options(named.name);
    how.warn = [this, name = named.name](const std::string& line) {
      complain(Voice::lookup, name + " " + line, line, Clock::now());
    };
    how.retry = options_.retry;
    entry.slow = std::make_shared<SlowTable>(named.name, std::move(how));
  }
  return entry.slow;
}

Result<tables::Table*> TableCache::table_of(const Named& named,
                                            Clock::time_point now) {
  if (named.proxied && !approved_.contains(named.name))
    return refuse(named.name, now);
  if (entries_.size() >= most_lists && !entries_.contains(named.name))
    entries_.clear();
  Entry& entry = entries_[named.name];
  if (entry.table) return entry.table.get();
  if (entry.trouble && now - entry.tried < options_.retry)
    return *entry.trouble;
  entry.tried = now;
  auto opened = tables::open(named.name, open_options(named.name));
  if (opened) {
    entry.table = std::move(*opened);
    entry.trouble.reset();
    return entry.table.get();
  }
  entry.trouble = unavailable(named.name, opened.trouble());
  complain(Voice::lookup, "open " + named.name, entry.trouble->text, now);
  return *entry.trouble;
}

ipc::TableAnswer TableCache::failed(const Named& named, const std::string& key,
                                    const Trouble& why, Clock::time_point now) {
  complain(Voice::lookup, "find " + named.name,
           fmt::format("{} lookup error for \"{}\": {}", named.name,
                       printable_utf8(key), why.text),
           now);
  return failure(named.name, why);
}

ipc::TableAnswer TableCache::find(const ipc::TableFind& question,
                                  Clock::time_point now) {
  const Result<const List*> list = list_of(question.maps);
  if (!list) {
    complain(Voice::lookup, "list " + question.maps, list.trouble().text, now);
    return failure(question.maps, list.trouble());
  }
  for (std::size_t i = 0; i < question.keys.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const bool partial = index >= question.partial_from;
    for (const Named& named : **list) {
      if (partial && !named.fixed_keys) continue;
      const Result<tables::Table*> table = table_of(named, now);
      if (!table) return failure(named.name, table.trouble());
      tables::Found found = (*table)->find(question.keys[i]);
      if (!found)
        return failed(named, question.keys[i], found.trouble(), now);
      if (*found)
        return {true, index, std::move(**found), named.name,
                ipc::TroubleWire::none()};
    }
  }
  return {};
}

bool TableCache::slow(const std::string& maps) {
  const Result<const List*> list = list_of(maps);
  if (!list) return false;
  return std::any_of((*list)->begin(), (*list)->end(),
                     [](const Named& named) { return named.slow; });
}

Task<tables::Found> TableCache::ask(Named named, std::string key) {
  if (!named.slow) {
    const Result<tables::Table*> table = table_of(named, Clock::now());
    if (!table) co_return table.trouble();
    co_return (*table)->find(key);
  }
  Result<std::shared_ptr<SlowTable>> table =
      slow_table_of(named, Clock::now());
  if (!table) co_return table.trouble();
  // Held, should the cache forget the table meanwhile.
  const std::shared_ptr<SlowTable> slow = *table;
  co_return co_await slow->find(std::move(key));
}

Task<ipc::TableAnswer> TableCache::find_slowly(ipc::TableFind question) {
  Result<const List*> known = list_of(question.maps);
  if (!known) co_return failure(question.maps, known.trouble());
  const List list = **known;
  for (std::size_t i = 0; i < question.keys.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const bool partial = index >= question.partial_from;
    for (const Named& named : list) {
      if (partial && !named.fixed_keys) continue;
      tables::Found found = co_await ask(named, question.keys[i]);
      if (!found)
        co_return failed(named, question.keys[i], found.trouble(),
                         Clock::now());
      if (*found) {
        ipc::TableAnswer answer;
        answer.found = true;
        answer.key = index;
        answer.value = std::move(**found);
        answer.table = named.name;
        co_return std::move(answer);
      }
    }
  }
  ipc::TableAnswer none;
  co_return std::move(none);
}

}  // namespace postern::lookup
