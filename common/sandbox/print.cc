#include "common/sandbox/print.h"

#include <linux/capability.h>

#include <set>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/sandbox/profiles.h"

namespace postern::sandbox {
namespace {

std::string capability_name(int capability) {
  switch (capability) {
    case CAP_CHOWN:
      return "chown";
    case CAP_DAC_OVERRIDE:
      return "dac_override";
    case CAP_FOWNER:
      return "fowner";
    case CAP_KILL:
      return "kill";
    case CAP_SETGID:
      return "setgid";
    case CAP_SETUID:
      return "setuid";
    case CAP_SETPCAP:
      return "setpcap";
    case CAP_NET_BIND_SERVICE:
      return "net_bind_service";
    default:
      return "capability " + std::to_string(capability);
  }
}

std::string or_none(const std::vector<std::string>& words) {
  return words.empty() ? "none" : join(words, ", ");
}

std::string capabilities_of(const Profile& row) {
  if (row.user == UserClass::caller) return "the caller's";
  std::vector<std::string> names;
  for (const int each : row.capabilities)
    names.push_back(capability_name(each));
  return or_none(names);
}

std::string grants_of(const Profile& row) {
  std::vector<std::string> names;
  for (const Grant each : row.grants) names.emplace_back(word(each).name);
  return or_none(names);
}

std::string files_of(const Profile& row) {
  if (!row.confined()) return "all that its user may see";
  std::vector<std::string> names;
  for (const FileRight& each : row.files)
    names.push_back(std::string(describe(each.view)) +
                    (each.create  ? " (read, write, create)"
                     : each.write ? " (read, write)"
                                  : " (read)"));
  return or_none(names);
}

std::string rows() {
  std::string out =
      "| role | user | capabilities | calls | files | sockets | because |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Profile& row : profiles())
    out += "| `" + std::string(name_of(row.role)) + "` | " +
           std::string(to_string(row.user)) + " | " + capabilities_of(row) +
           " | " + grants_of(row) + " | " + files_of(row) + " | " +
           row.sockets + " | " + row.because + " |\n";
  return out;
}

// `call` or `call`*: the star says that arguments are checked.
std::string calls_of(const Word& word) {
  std::set<std::string> seen;
  std::vector<std::string> names;
  for (const Call& call : word.calls)
    if (seen.insert(call.name).second)
      names.push_back("`" + std::string(call.name) + "`" +
                      (call.when.empty() ? "" : "\\*"));
  return or_none(names);
}

std::string words() {
  std::string out = "| word | meaning | system calls |\n| --- | --- | --- |\n";
  for (const Word& each : vocabulary())
    out += "| `" + std::string(each.name) + "` | " + each.meaning + " | " +
           calls_of(each) + " |\n";
  return out;
}

std::string deadly() {
  std::vector<std::string> names;
  for (const char* each : deadly_calls())
    names.push_back("`" + std::string(each) + "`");
  return join(names, ", ");
}

}  // namespace

std::string processes_page() {
  return "# What each process may do\n\n"
         "<!-- Printed by print_profiles from the tables in common/sandbox; "
         "do not edit. -->\n\n"
         "One row per role. A process puts its row in force before it reads "
         "the first foreign\nbyte; from then on what is not listed is "
         "refused.\n\n" +
         rows() +
         "\nStarted by an ordinary user, every process runs as that user and "
         "the other columns\nstill hold.\n\n"
         "## System calls\n\n"
         "A star: only with certain arguments (`common/sandbox/calls.cc`). A "
         "call that no word\nof a row lists fails with \"Operation not "
         "permitted\", an `open`, `socket` or\n`connect` with \"Permission "
         "denied\".\n\n" +
         words() +
         "\nA confined process that makes one of these is killed: " + deadly() +
         ".\n\n"
         "## Files\n\n"
         "The file view is a Landlock ruleset: what is not under a listed "
         "path cannot be\nopened, created, removed or executed, whoever owns "
         "it. From version 4 of Landlock\nprocesses without `connect_stream` "
         "also lose TCP ports, and those with it may not\nbind to a fixed "
         "port; from version 6 a process can signal nobody but itself and\n"
         "reaches no abstract socket. A kernel without Landlock gets a "
         "warning in the log, and\nfile permissions and system calls still "
         "confine.\n\n"
         "## Privileges\n\n"
         "`no_new_privs` is set: executing a setuid program gains nothing. "
         "Capability sets,\nthe bounding set included, are empty but for "
         "those of the row; a recipient that is\nroot is no more than the "
         "owner of its files. Processes are not dumpable, so that\nothers of "
         "the same user can neither trace them nor read their memory.\n\n"
         "A runner takes all this on when its program is there and waits; the "
         "program itself\ndoes not (docs/decisions/0008-programs-of-users.md), "
         "and the runner may signal it.\n";
}

}  // namespace postern::sandbox
