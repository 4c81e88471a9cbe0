#include "common/queue/maildrop.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "common/os/files.h"

namespace postern::queue {
namespace {

// Readable for cleanup, which is another user; the directory keeps all others
// away.
constexpr mode_t complete_mode = 0644;

std::int64_t now_in_microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<std::string> write_maildrop(Spool& spool, Envelope& envelope,
                                   const ContentSource& next) {
  if (envelope.arrival == 0) envelope.arrival = now_in_microseconds();
  Result<std::unique_ptr<Draft>> draft =
      spool.create(now_in_microseconds(), Box::maildrop);
  if (!draft) return draft.trouble();
  for (;;) {
    Result<std::string> bytes = next();
    if (!bytes) return bytes.trouble();
    if (bytes->empty()) break;
    const Status added = (*draft)->append(*bytes);
    if (!added) return added.trouble();
  }
  Status done = (*draft)->finish(envelope, Box::maildrop);
  if (done && ::fchmod((*draft)->fd(), complete_mode) != 0)
    done = os::system_trouble("chmod " + (*draft)->id(), errno);
  if (done) done = (*draft)->sync();
  if (!done) return done.trouble();
  (*draft)->keep();
  return (*draft)->id();
}

OpenedSubmission open_maildrop(Spool& spool, const std::string& id) {
  OpenedSubmission out;
  Spool::Opened opened = spool.open(Box::maildrop, id, true);
  out.why = opened.why;
  out.text = std::move(opened.text);
  if (!opened.message) {
    // Not readable for us: complete files are.
    if (opened.why == Unreadable::trouble && ::geteuid() != 0)
      out.why = Unreadable::unfinished;
    return out;
  }
  struct stat info;
  if (::fstat(opened.message->fd.get(), &info) != 0 || info.st_nlink != 1) {
    out.why = Unreadable::damaged;
    out.text = "the file has more than one name";
    return out;
  }
  out.submission.emplace(Submission{std::move(*opened.message), info.st_uid});
  return out;
}

}  // namespace postern::queue
