// Tables that are read from a text file into memory, texthash:, cidr:, regexp:
// and pcre:, and read again when that file has changed.
#include <chrono>

#include "common/tables/file_state.h"
#include "common/tables/openers.h"

namespace postern::tables {
namespace {

using Clock = std::chrono::steady_clock;
using Open = Opened (*)(const Spec&, const OpenOptions&);

constexpr auto check_interval = std::chrono::seconds(1);

class Followed : public Table {
 public:
  Followed(const Spec& spec, OpenOptions options, Open open)
      : Table(spec.text()),
        spec_(spec),
        options_(std::move(options)),
        open_(open) {}

  Status reopen() {
    checked_ = Clock::now();
    // Before the file is read: should it change meanwhile, the next check sees
    // it.
    struct stat now {};
    if (::stat(spec_.name.c_str(), &now) == 0) read_ = now;
    Opened opened = open_(spec_, options_);
    if (!opened) return opened.trouble();
    table_ = std::move(*opened);
    return {};
  }

  Status for_each(const Visit& visit) override {
    return table_->for_each(visit);
  }

 protected:
  Found look_up(std::string_view key) override {
    follow();
    return table_->find(key);
  }

 private:
  void follow() {
    const Clock::time_point now = Clock::now();
    if (now - checked_ < check_interval) return;
    checked_ = now;
    struct stat named {};
    // Gone: what was read still answers.
    if (::stat(spec_.name.c_str(), &named) != 0 || same_file(named, read_))
      return;
    const Status again = reopen();
    if (!again.ok() && options_.warn)
      options_.warn(name() + " has changed, but cannot be read: " +
                    again.trouble().text + "; its old content is used");
  }

  Spec spec_;
  OpenOptions options_;
  Open open_;
  std::unique_ptr<Table> table_;
  struct stat read_ {};
  Clock::time_point checked_;
};

}  // namespace

Opened open_followed(const Spec& spec, const OpenOptions& options, Open open) {
  if (spec.name.starts_with('{')) return open(spec, options);
  auto table = std::make_unique<Followed>(spec, options, open);
  const Status read = table->reopen();
  if (!read.ok()) return read.trouble();
  return Opened(std::move(table));
}

}  // namespace postern::tables
