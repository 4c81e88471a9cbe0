#include "common/service/rights.h"

#include <sys/stat.h>

#include "common/os/files.h"

namespace postern {
namespace {

std::string without_end_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

Result<os::User> default_rights(const config::Config& config) {
  const std::string name = config.get<"default_privs">();
  const Result<std::optional<os::User>> found = os::find_user(name);
  if (!found) return found.trouble();
  if (!*found)
    return give_up("3.5", "parameter default_privs: unknown user name value: " +
                              name);
  if ((*found)->uid == 0 || (*found)->gid == 0)
    return give_up("3.5", "parameter default_privs: user " + name +
                              " has privileged user or group ID");
  return **found;
}

std::optional<os::User> owner_of_table(const std::string& table) {
  const std::size_t colon = table.find(":/");
  if (colon == std::string::npos) return std::nullopt;
  const std::string path = table.substr(colon + 1);
  struct stat facts;
  bool found = false;
  for (const char* suffix : {".db", ".lmdb", ".cdb", ""})
    if (!found && ::stat((path + suffix).c_str(), &facts) == 0) found = true;
  if (!found || facts.st_uid == 0) return std::nullopt;
  const Result<std::optional<os::User>> owner = os::find_user(facts.st_uid);
  return owner ? *owner : std::nullopt;
}

std::optional<std::string> mailbox_path(const std::string& home_mailbox,
                                        const std::string& spool,
                                        const os::User& user) {
  if (!home_mailbox.empty()) {
    if (!user.home.starts_with('/')) return std::nullopt;
    return user.home + "/" + home_mailbox;
  }
  return without_end_slash(spool) + "/" + user.name +
         (spool.ends_with('/') ? "/" : "");
}

bool in_spool(const std::string& spool, const std::string& mailbox) {
  const std::string path = without_end_slash(mailbox);
  return path.find('/') != std::string::npos &&
         os::directory_of(path) == without_end_slash(spool);
}

}  // namespace postern
