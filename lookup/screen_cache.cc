#include "lookup/screen_cache.h"

#include <ctime>
#include <utility>

#include "common/access/screen_record.h"

namespace postern::lookup {

ScreenCache::ScreenCache(tables::CacheFile cache, std::string title,
                         Seconds retention, log::Log log)
    : cache_(std::move(cache)),
      title_(std::move(title)),
      retention_(retention),
      log_(std::move(log)),
      clock_([] { return static_cast<std::int64_t>(std::time(nullptr)); }) {}

ipc::ScreenAnswer ScreenCache::failed(const Trouble& trouble) {
  log_.warning(trouble.text);
  ipc::ScreenAnswer answer;
  answer.trouble = ipc::TroubleWire::from(trouble);
  return answer;
}

ipc::ScreenAnswer ScreenCache::find(const ipc::ScreenFind& question) {
  const Result<std::optional<std::string>> line = cache_.get(question.address);
  if (!line) return failed(line.trouble());
  ipc::ScreenAnswer answer;
  answer.line = line->value_or("");
  return answer;
}

ipc::ScreenAnswer ScreenCache::keep(const ipc::ScreenKeep& note) {
  const Status done = cache_.put(note.address, note.line);
  if (!done) return failed(done.trouble());
  ipc::ScreenAnswer answer;
  answer.line = note.line;
  return answer;
}

void ScreenCache::clean() {
  const std::int64_t now = clock_();
  const Result<tables::CacheFile::Counts> counts = cache_.clean(
      [&](std::string_view, std::string_view line) {
        const auto record = access::Record::from_line(line);
        return !record || record->is_stale(now, retention_.count());
      });
  if (counts)
    log_.info("cache {} full cleanup: retained={} dropped={} entries", title_,
              counts->kept, counts->dropped);
  else
    log_.warning(counts.trouble().text);
}

}  // namespace postern::lookup
