#include "common/sandbox/lock.h"

#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/panic.h"
#include "common/os/files.h"
#include "common/sandbox/filter.h"
#include "common/sandbox/landlock.h"
#include "common/sandbox/sanitized.h"

#ifdef POSTERN_PROBE
#include "common/sandbox/probe.h"
#endif

namespace {
bool locked = false;
}

#if defined(__SANITIZE_ADDRESS__)
// The leak checker looks into its own process from outside (ptrace), which a
// locked process forbids.
extern "C" int __lsan_is_turned_off();
int __lsan_is_turned_off() { return locked ? 1 : 0; }
#endif

namespace postern::sandbox {
namespace {

// The caller may narrow the view that the table grants, never widen it.
void check_paths(const Profile& row, const std::vector<PathGrant>& paths) {
  bool write = false;
  bool create = false;
  for (const FileRight& right : row.files) {
    write = write || right.write;
    create = create || right.create;
  }
  require(paths.empty() || !row.files.empty(),
          "lock: paths for a role that sees no files");
  for (const PathGrant& path : paths)
    require((write || !path.write) && (create || !path.create),
            "lock: more rights on a path than the profile has");
}

// Passes a failed layer on, or notes it where that is accepted.
Status tolerate(const Situation& situation, Applied& applied,
                const Trouble& trouble) {
  if (!situation.allow_degraded) return trouble;
  applied.notes.push_back("isolation is incomplete: " + trouble.text);
  return {};
}

Status check_capabilities(const Situation& situation, Applied& applied) {
  const Result<InForce> now = in_force(::getpid());
  if (!now) return tolerate(situation, applied, now.trouble());
  // Landlock and capabilities are taken from one thread, not from a process.
  require(now->threads == 1 || sanitized, "lock: threads are already running");
  applied.no_capabilities = now->no_capabilities();
  applied.no_bounding_set = now->bounding == 0;
  if (!applied.no_capabilities || !now->no_new_privileges)
    return try_later("3.0", "capabilities are still in force");
  if (applied.no_bounding_set) return {};
  if (::geteuid() == 0)
    return tolerate(situation, applied,
                    try_later("3.0",
                              "the bounding set of user 0 could not "
                              "be emptied"));
  if (situation.started_as_root)
    applied.notes.push_back(
        "isolation is incomplete: the bounding set is not empty");
  return {};
}

Status apply_file_view(const Situation& situation, const Profile& row,
                       Applied& applied) {
  const int version = landlock_version();
  const int needed = landlock_version_needed(situation.paths);
  if (version < needed) {
    applied.notes.push_back(
        version == 0
            ? "this kernel has no Landlock: which files can be opened is left "
              "to file permissions and the system call filter"
            : "this kernel's Landlock is too old (version " +
                  std::to_string(version) + ", " + std::to_string(needed) +
                  " is needed): which files can be opened is left to file "
                  "permissions and the system call filter");
    return {};
  }
  const bool connects = row.has(Grant::connect_stream);
  const bool signals = row.has(Grant::children);
  if (Status viewed = view_files(situation.paths, connects, signals); !viewed)
    return viewed;
  applied.file_view = version;
  return {};
}

Status apply_filter(const Situation& situation, const Profile& row,
                    Applied& applied) {
  const Status filtered = filter_calls(row.grants);
  if (!filtered) return tolerate(situation, applied, filtered.trouble());
  applied.call_filter = true;
  return {};
}

Status confine(const Situation& situation, const Profile& row,
               Applied& applied) {
  if (Status done = drop_capabilities(row); !done) return done;
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return os::system_trouble("forbid core dumps and tracing", errno);
  if (Status done = check_capabilities(situation, applied); !done) return done;
  if (Status done = apply_file_view(situation, row, applied); !done)
    return done;
  return apply_filter(situation, row, applied);
}

}  // namespace

Result<Applied> lock(const Situation& situation) {
  Applied applied;
  if (situation.role == Role::tool) return applied;
  const Profile& row = profile(situation.role);
  if (!row.confined()) {
    if (!situation.started_as_root) return applied;
    if (Status done = drop_capabilities(row); !done) return done.trouble();
    return applied;
  }
  check_paths(row, situation.paths);
  ::tzset();  // log lines carry local time; its file cannot be read later
#ifdef POSTERN_PROBE
  const Fd report = probe_report(situation.role);
#endif
  if (Status done = confine(situation, row, applied); !done)
    return done.trouble();
  locked = true;
#ifdef POSTERN_PROBE
  if (report) write_probe(report.get(), try_forbidden(situation.role));
#endif
  return applied;
}

}  // namespace postern::sandbox
