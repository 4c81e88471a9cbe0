#include "lookup/slow_table.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <mutex>
#include <utility>

#include "common/tables/file_state.h"

namespace postern::lookup {

// The table objects that no thread uses now. All of it is for threads.
class SlowTable::Instances {
 public:
  Instances(std::string name, tables::OpenOptions open, Seconds retry)
      : name_(std::move(name)), open_(std::move(open)), retry_(retry) {
    const auto spec = tables::parse_spec(name_);
    if (spec && (spec->name.starts_with('/') || spec->name.starts_with('.')))
      file_ = spec->name;
  }

  Reply find(const std::string& key) {
    notice_changes();
    Instance instance = take();
    tables::Found found =
        instance.table ? instance.table->find(key)
                       : tables::Found(unavailable(instance));
    std::vector<std::string> warnings = std::exchange(*instance.heard, {});
    give_back(std::move(instance));
    return {std::move(found), std::move(warnings)};
  }

  // Whether any are left.
  bool close_unused(Clock::time_point since) {
    std::vector<Instance> unused;  // closed when the lock is free again
    const std::lock_guard lock(mutex_);
    std::vector<Instance> left;
    for (Instance& one : idle_)
      (one.used < since ? unused : left).push_back(std::move(one));
    idle_ = std::move(left);
    return !idle_.empty();
  }

  bool any() {
    const std::lock_guard lock(mutex_);
    return !idle_.empty();
  }

 private:
  using Heard = std::shared_ptr<std::vector<std::string>>;
  struct Instance {
    std::unique_ptr<tables::Table> table;
    Heard heard = std::make_shared<std::vector<std::string>>();
    std::uint64_t generation = 0;
    Clock::time_point used{};
    std::optional<Trouble> why_not;
  };

  Trouble unavailable(const Instance& instance) const {
    return try_later("3.0", fmt::format("{} is unavailable. {}", name_,
                                        instance.why_not->text));
  }

  Instance take() {
    Instance instance;
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        instance = std::move(idle_.back());
        idle_.pop_back();
        return instance;
      }
      instance.generation = generation_;
      instance.why_not = broken_;
    }
    if (!instance.why_not) open(instance);
    return instance;
  }

  void open(Instance& instance) {
    tables::OpenOptions how = open_;
    how.warn = [heard = instance.heard](std::string_view line) {
      heard->emplace_back(line);
    };
    auto opened = tables::open(name_, how);
    const std::lock_guard lock(mutex_);
    if (opened) {
      instance.table = std::move(*opened);
    } else {
      broken_ = instance.why_not = opened.trouble();
      checked_ = Clock::now();
    }
  }

  void give_back(Instance instance) {
    instance.used = Clock::now();
    const std::lock_guard lock(mutex_);
    if (instance.table && instance.generation == generation_)
      idle_.push_back(std::move(instance));
  }

  // Parameters that have changed are read again, and what did not open is
  // tried again.
  void notice_changes() {
    std::vector<Instance> old;  // closed when the lock is free again
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    if (now - checked_ < retry_) return;
    checked_ = now;
    broken_.reset();
    struct stat facts {};
    if (file_.empty() || ::stat(file_.c_str(), &facts) != 0) return;
    if (generation_ > 0 && tables::same_file(facts, read_)) return;
    read_ = facts;
    ++generation_;
    old = std::exchange(idle_, {});
  }

  std::string name_;
  tables::OpenOptions open_;
  Seconds retry_;
  std::string file_;

  std::mutex mutex_;
  std::vector<Instance> idle_;  // the one used last is at the end
  std::uint64_t generation_ = 0;
  std::optional<Trouble> broken_;
  struct stat read_ {};
  Clock::time_point checked_{};
};

SlowTable::SlowTable(std::string name, Options options)
    : name_(std::move(name)),
      options_(std::move(options)),
      instances_(
          std::make_shared<Instances>(name_, options_.open, options_.retry)),
      unused_([this] { close_unused(); }),
      helper_(options_.threads) {}

void SlowTable::close_unused() {
  helper_.run([instances = instances_, idle = options_.idle] {
    instances->close_unused(Clock::now() - idle);
  });
  if (instances_->any()) unused_.start(options_.idle);
}

Task<tables::Found> SlowTable::find(std::string key) {
  if (helper_.waiting() >= options_.most_waiting)
    co_return try_later(
        "3.0", fmt::format("table {}: query error: {} questions wait already",
                           name_, options_.most_waiting));
  HelperThread::Job<Reply> job(
      helper_, [instances = instances_, key = std::move(key)] {
        return instances->find(key);
      });
  if (!unused_.running()) unused_.start(options_.idle);
  const bool in_time = co_await job.wait(options_.limit);
  if (!in_time)
    co_return try_later(
        "3.0", fmt::format("table {}: query error: no answer in {} s", name_,
                           options_.limit.count() / 1000));
  Reply reply = job.take();
  if (options_.warn)
    for (const std::string& line : reply.warnings) options_.warn(line);
  co_return std::move(reply.found);
}

}  // namespace postern::lookup
