#include "lookup/table_cache.h"

#include <fmt/format.h>

#include <utility>

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
    if (entry.table) ++count;
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
  for (const std::string& name : *names)
    list.push_back(
        {std::string(tables::strip_proxy(name)), tables::is_proxied(name)});
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
  tables::OpenOptions how;
  how.utf8 = options_.utf8;
  how.warn = [this, name = named.name](std::string_view line) {
    const std::string text(line);
    complain(Voice::lookup, name + " " + text, text, Clock::now());
  };
  auto opened = tables::open(named.name, how);
  if (opened) {
    entry.table = std::move(*opened);
    entry.trouble.reset();
    return entry.table.get();
  }
  entry.trouble = unavailable(named.name, opened.trouble());
  complain(Voice::lookup, "open " + named.name, entry.trouble->text, now);
  return *entry.trouble;
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
      const Result<tables::Table*> table = table_of(named, now);
      if (!table) return failure(named.name, table.trouble());
      if (partial && !(*table)->fixed_keys()) continue;
      tables::Found found = (*table)->find(question.keys[i]);
      if (!found) {
        complain(Voice::lookup, "find " + named.name, found.trouble().text,
                 now);
        return failure(named.name, found.trouble());
      }
      if (*found)
        return {true, index, std::move(**found), named.name,
                ipc::TroubleWire::none()};
    }
  }
  return {};
}

}  // namespace postern::lookup
