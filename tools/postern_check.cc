// postern check: what an administrator should look at, before it hurts.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/access/check.h"
#include "common/base/text.h"
#include "common/config/check.h"
#include "common/config/main_file.h"
#include "common/config/master_table.h"
#include "common/databases/types.h"
#include "common/os/files.h"
#include "common/os/users.h"
#include "common/sandbox/profiles.h"
#include "common/service/directories.h"
#include "common/service/places.h"
#include "tools/postern_suite.h"

namespace postern::tools {
namespace {

using config::Finding;
using config::Weight;

class Report {
 public:
  void add(const Finding& finding) {
    std::fprintf(stderr, "%s: %s\n", word(finding.weight),
                 config::describe(finding).c_str());
    if (finding.weight == Weight::error) failed_ = true;
  }
  void add(Weight weight, std::string text, std::string hint = "") {
    std::fprintf(stderr, "%s: %s\n", word(weight), text.c_str());
    if (!hint.empty()) std::fprintf(stderr, "    %s\n", hint.c_str());
    if (weight == Weight::error) failed_ = true;
  }
  bool failed() const { return failed_; }

 private:
  static const char* word(Weight weight) {
    switch (weight) {
      case Weight::note: return "note";
      case Weight::warning: return "warning";
      case Weight::error: return "error";
    }
    return "";
  }
  bool failed_ = false;
};

// Whoever reaches such a port says where it comes from.
void check_proxy(const config::Config& main, const config::ServiceRow& row,
                 Report& report) {
  if (row.type != "inet" ||
      (row.program != "smtpd" && row.program != "postscreen"))
    return;
  const config::Config config = main.with_overrides(row.overrides);
  if (config.text(row.program + "_upstream_proxy_protocol").empty() ||
      config.is_set("proxy_protocol_networks"))
    return;
  report.add({Weight::note, row.origin.file, row.origin.line, 1,
              "every client of " + row.name +
                  " is believed what it says in a PROXY header",
              "list the proxies in proxy_protocol_networks", ""});
}

void check_configuration(const Suite& suite, Report& report) {
  if (Status valid = suite.config.validate(); !valid)
    report.add(Weight::error, valid.trouble().text);
  for (const std::string& each : suite.config.warnings())
    report.add(Weight::warning, each);
  const std::string file = config::master_path(suite.directory);
  const Result<std::string> content = os::read_file(file);
  if (!content) {
    report.add(Weight::error, content.trouble().text);
    return;
  }
  std::vector<config::TableProblem> problems;
  const config::MasterTable table =
      config::MasterTable::read(*content, file, problems);
  for (const Finding& each : config::check(suite.config, table))
    report.add(each);
  for (const Finding& each : config::check_rows(problems, file))
    report.add(each);
  for (const Finding& each : access::check_restrictions(suite.config, table))
    report.add(each);
  for (const config::ServiceRow& row : table.rows())
    check_proxy(suite.config, row, report);
}

// Tables of types that were left out when this was built.
void check_table_types(const Suite& suite, Report& report) {
  for (const auto& [name, setting] : suite.config.settings()) {
    for (const std::string& word : split_words(setting.value, ", \t\r\n{}")) {
      std::string_view table = word;
      while (table.starts_with("proxy:")) table.remove_prefix(6);
      const std::size_t colon = table.find(':');
      if (colon == std::string_view::npos || colon + 1 == table.size())
        continue;
      const std::string type(table.substr(0, colon));
      if (!databases::not_built_in(type)) continue;
      report.add({Weight::error, setting.origin.file, setting.origin.line, 1,
                  type + ": tables are not built in here, so " +
                      std::string(table) + " cannot answer",
                  "postconf -m lists the types that are", ""});
    }
  }
}

// Whoever can change these is root in all but name.
void check_file_rights(const Suite& suite, Report& report) {
  if (!suite.as_root) return;
  for (const std::string& path :
       {suite.config.file(), config::master_path(suite.directory),
        suite.directory}) {
    struct stat facts;
    if (::stat(path.c_str(), &facts) != 0) continue;
    if (facts.st_uid != 0)
      report.add(Weight::warning, "not owned by root: " + path);
    if ((facts.st_mode & S_IWOTH) != 0)
      report.add(Weight::warning, "other users can write: " + path,
                 "chmod o-w " + path);
  }
}

void check_directories(const Suite& suite, Report& report) {
  const Result<std::vector<WantedDirectory>> wanted =
      wanted_directories(suite.config, suite.as_root);
  if (!wanted) {
    report.add(Weight::error, wanted.trouble().text);
    return;
  }
  for (const WantedDirectory& each : *wanted) {
    // Those that are missing are made by the next start.
    if (!os::exists(each.path)) continue;
    for (const std::string& wrong : judge(each))
      report.add(Weight::warning, wrong,
                 "postern set-permissions sets it right");
  }
}

// authd's store of users: its owner's alone.
void check_user_store(const Suite& suite, Report& report) {
  const std::string directory = data_directory_of(Role::authd, suite.config);
  struct stat place, facts;
  if (::stat(directory.c_str(), &place) != 0) return;
  for (const char* name : {"/users.db", "/users.db-wal", "/users.db-shm"}) {
    const std::string path = directory + name;
    if (::lstat(path.c_str(), &facts) != 0) continue;
    const std::string hint =
        "chown --reference=" + directory + " " + path + "; chmod 600 " + path;
    if (!S_ISREG(facts.st_mode))
      report.add(Weight::warning, "is not a file: " + path);
    else if (facts.st_uid != place.st_uid)
      report.add(Weight::warning,
                 "not owned by the owner of " + directory +
                     ", so that nobody can log in: " + path,
                 hint);
    else if ((facts.st_mode & 077) != 0)
      report.add(Weight::warning,
                 "others can get at the users' password hashes: " + path, hint);
  }
}

void check_users(const Suite& suite, Report& report) {
  if (!suite.as_root) return;
  using sandbox::UserClass;
  const std::string owner = suite.config.get<"mail_owner">();
  for (const UserClass each : {UserClass::network, UserClass::lookup,
                               UserClass::delivery, UserClass::auth}) {
    const std::string parameter(owner_parameter(each));
    const std::string name = suite.config.text(parameter);
    const Result<std::optional<os::User>> found = os::find_user(name);
    if (!found) {
      report.add(Weight::error, found.trouble().text);
    } else if (!*found) {
      report.add(Weight::note,
                 parameter + ": there is no user " + name +
                     "; its processes run as " + owner,
                 "systemd-sysusers(8) makes it, or: "
                 "useradd -r -M -d /nonexistent -s /usr/sbin/nologin " + name);
    }
  }
}

void check_programs(const Suite& suite, Report& report) {
  const std::string directory = daemon_directory_of(suite.config);
  for (const sandbox::Profile& each : sandbox::profiles()) {
    // authd is not needed by a suite without authentication.
    if (each.role == Role::tool || each.role == Role::authd) continue;
    const std::string path = directory + "/" + std::string(name_of(each.role));
    if (::access(path.c_str(), X_OK) != 0)
      report.add(Weight::error, os::system_trouble(path, errno).text);
  }
}

void check_set_gid(const Suite& suite, Report& report) {
  if (!suite.as_root) return;
  const std::string group_name = suite.config.get<"setgid_group">();
  const Result<std::optional<gid_t>> group = os::find_group(group_name);
  if (!group || !*group) return;  // told among the directories
  for (const char* tool : {"postdrop", "postqueue"}) {
    const std::string path =
        suite.config.get<"command_directory">() + "/" + tool;
    struct stat facts;
    if (::stat(path.c_str(), &facts) != 0) {
      report.add(Weight::warning, os::system_trouble(path, errno).text);
    } else if ((facts.st_mode & S_ISGID) == 0 || facts.st_gid != **group) {
      report.add(Weight::warning, "not set-gid " + group_name + ": " + path,
                 "postern set-permissions sets it right");
    }
  }
}

// Somebody who may read a program may look into own processes of it.
void check_users_programs(const Suite& suite, Report& report) {
  if (!suite.as_root) return;
  for (const sandbox::Profile& each : sandbox::profiles()) {
    if (each.user != sandbox::UserClass::recipient) continue;
    const std::string path = daemon_directory_of(suite.config) + "/" +
                             std::string(name_of(each.role));
    struct stat facts;
    if (::stat(path.c_str(), &facts) != 0) continue;  // told among programs
    if (facts.st_uid != 0 || (facts.st_mode & 0066) != 0)
      report.add(Weight::warning,
                 "users can look into its processes while they start (its "
                 "mode should be 0711, its owner root): " + path,
                 "postern set-permissions sets it right");
  }
}

}  // namespace

int check(Suite& suite) {
  Report report;
  check_configuration(suite, report);
  check_table_types(suite, report);
  check_file_rights(suite, report);
  check_directories(suite, report);
  check_user_store(suite, report);
  check_users(suite, report);
  check_programs(suite, report);
  check_set_gid(suite, report);
  check_users_programs(suite, report);
  return report.failed() ? 1 : 0;
}

}  // namespace postern::tools
