#include "tools/postsuper_queue.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "common/os/files.h"
#include "common/queue/names.h"
#include "common/queue/queue_id.h"

namespace postern::tools {
namespace {

constexpr std::pair<Deed, const char*> report_order[] = {
    {Deed::requeue, "Requeued"},        {Deed::remove, "Deleted"},
    {Deed::expire, "Force-expired"},    {Deed::hold, "Placed on hold"},
    {Deed::release, "Released from hold"}};

const char* past_of(Deed deed) {
  switch (deed) {
    case Deed::remove: return "removed";
    case Deed::expire:
    case Deed::expire_and_release: return "expired";
    case Deed::hold: return "placed on hold";
    case Deed::release: return "released from hold";
    case Deed::requeue: return "requeued";
  }
  return "";
}

constexpr std::size_t names_at_once = 500;

std::string messages(std::int64_t count) {
  return fmt::format("{} message{}", count, count == 1 ? "" : "s");
}

}  // namespace

std::vector<queue::Box> QueueKeeper::usual_boxes(Deed deed) {
  using enum queue::Box;
  if (deed == Deed::hold) return {incoming, active, deferred};
  if (deed == Deed::release) return {hold};
  return {hold, incoming, active, deferred};
}

bool QueueKeeper::did(Deed deed, const std::string& id, bool tell) {
  ++counts_[static_cast<std::size_t>(deed)];
  if (tell || verbose_) tool_.info(fmt::format("{}: {}", id, past_of(deed)));
  return true;
}

bool QueueKeeper::moved(const std::string& id, queue::Box from,
                        queue::Box to) {
  if (from == to) return false;
  const Status done = spool_.move(id, from, to);
  if (!done) {
    // Gone meanwhile: delivered, or on its way to another box.
    if (spool_.modified(from, id)) tool_.warning(done.trouble().text);
    return false;
  }
  if (verbose_)
    tool_.info(fmt::format("renamed file {}/{} as {}/{}", queue::name_of(from),
                           id, queue::name_of(to), id));
  return true;
}

bool QueueKeeper::act(Deed deed, queue::Box box, const std::string& id,
                      bool tell) {
  if (dry_run_) {
    ++counts_[static_cast<std::size_t>(deed == Deed::expire_and_release
                                           ? Deed::expire
                                           : deed)];
    tool_.info(fmt::format("{}/{}: would be {}", queue::name_of(box), id,
                           past_of(deed)));
    return true;
  }
  switch (deed) {
    case Deed::remove: {
      const Status done = spool_.remove(box, id);
      if (done) return did(deed, id, tell);
      if (spool_.modified(box, id)) tool_.warning(done.trouble().text);
      return false;
    }
    case Deed::expire:
    case Deed::expire_and_release: {
      bool changed = false;
      if (!spool_.force_expired(box, id)) {
        const Status done = spool_.force_expire(box, id);
        if (done) changed = did(Deed::expire, id, tell);
      }
      if (deed == Deed::expire || box != queue::Box::hold) return changed;
      return act(Deed::release, box, id, tell) || changed;
    }
    case Deed::hold:
      return moved(id, box, queue::Box::hold) && did(deed, id, tell);
    case Deed::release: {
      // To be tried when the queue is looked at next.
      const Status now =
          spool_.set_next_attempt(box, id, std::time(nullptr));
      return now && moved(id, box, queue::Box::deferred) &&
             did(deed, id, tell);
    }
    case Deed::requeue:
      return moved(id, box, queue::Box::maildrop) && did(deed, id, tell);
  }
  return false;
}

void QueueKeeper::one(Deed deed, const std::string& id,
                      const std::vector<queue::Box>& boxes) {
  // It may move while it is looked for.
  for (int round = 0; round < 2; ++round)
    for (const queue::Box box : boxes)
      if (spool_.modified(box, id) && act(deed, box, id, true)) return;
}

// What is done to a file never brings it back into the same box.
void QueueKeeper::each(
    const std::vector<queue::Box>& boxes,
    const std::function<void(queue::Box, const std::string&)>& found) {
  for (const queue::Box box : boxes) {
    queue::Names names(spool_, box);
    for (;;) {
      const auto some = names.next(names_at_once);
      if (!some) tool_.fatal(some.trouble().text);
      if (some->empty()) break;
      for (const std::string& id : *some)
        if (queue::valid_id(id)) found(box, id);
    }
  }
}

void QueueKeeper::all(Deed deed, const std::vector<queue::Box>& boxes) {
  each(boxes, [&](queue::Box box, const std::string& id) {
    act(deed, box, id, false);
  });
}

void QueueKeeper::where(Deed deed, const std::vector<queue::Box>& boxes,
                        const QueueFilter& filter) {
  const std::int64_t now = std::time(nullptr);
  each(boxes, [&](queue::Box box, const std::string& id) {
    const queue::Spool::Opened opened = spool_.open(box, id);
    if (!opened.message) return;
    const Queued message = queued_from(
        *opened.message, spool_.read_results(*opened.message));
    if (filter.matches(message, now)) act(deed, box, id, true);
  });
}

void QueueKeeper::purge() {
  for (const queue::Box box : {queue::Box::incoming, queue::Box::maildrop}) {
    const Status done = spool_.scan(box, [&](const std::string& name) {
      if (spool_.remove_abandoned(name, box) && verbose_)
        tool_.info(
            fmt::format("removed file {}/{}", queue::name_of(box), name));
      return true;
    });
    if (!done) tool_.warning(done.trouble().text);
  }
}

void QueueKeeper::put_in_order(bool rename, bool long_names) {
  constexpr int deepest = 16;  // hash_queue_depth may have been larger once
  for (const queue::Box box : queue::mail_boxes)
    order_directory(box,
                    spool_.directory() + "/" + std::string(queue::name_of(box)),
                    deepest, rename, long_names);
}

void QueueKeeper::order_directory(queue::Box box, const std::string& directory,
                                  int depth, bool rename, bool long_names) {
  const Result<std::vector<std::string>> names = os::list_directory(directory);
  if (!names) {
    if (os::exists(directory)) tool_.warning(names.trouble().text);
    return;
  }
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (name.size() == 1 && depth > 0)
      order_directory(box, path, depth - 1, rename, long_names);
    else if (queue::valid_id(name))
      order_file(box, path, name, rename, long_names);
  }
}

void QueueKeeper::order_file(queue::Box box, const std::string& path,
                             const std::string& name, bool rename,
                             bool long_names) {
  struct stat facts;
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return;
  const bool tied = rename && (long_names || !queue::is_long_id(name));
  const std::string id = tied ? queue::with_inode(name, facts.st_ino) : name;
  const std::string right = spool_.path(box, id);
  if (right == path) return;
  const Status made = os::make_directories(os::directory_of(right), 0700);
  if (!made) return tool_.warning(made.trouble().text);
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, right.c_str(),
                  RENAME_NOREPLACE) != 0)
    return tool_.warning(
        fmt::format("rename {} to {}: {}", path, right, os::error_text(errno)));
  if (id != name) ++renamed_;
  if (verbose_)
    tool_.info(fmt::format("renamed file {} as {}", path, right));
}

void QueueKeeper::report(const std::vector<Deed>& asked) const {
  bool wanted[6] = {};
  for (const Deed deed : asked) {
    wanted[static_cast<std::size_t>(deed)] = true;
    if (deed == Deed::expire_and_release) {
      wanted[static_cast<std::size_t>(Deed::expire)] = true;
      wanted[static_cast<std::size_t>(Deed::release)] = true;
    }
  }
  for (const auto& [deed, text] : report_order)
    if (wanted[static_cast<std::size_t>(deed)])
      tool_.info(fmt::format(
          "{}{}: {}", dry_run_ ? "Not done, would be: " : "", text, messages(counts_[static_cast<std::size_t>(deed)])));
  if (renamed_ > 0) {
    tool_.info("Renamed to match inode number: " + messages(renamed_));
    tool_.warning("QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS");
  }
}

}  // namespace postern::tools
