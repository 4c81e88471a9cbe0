#include "local/lists.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/text.h"
#include "common/os/fd.h"
#include "common/os/files.h"
#include "local/names.h"

namespace postern::local {
namespace {

// An answer is one frame between processes.
constexpr std::size_t largest = 3u << 20;

// Not through a link, and not waiting for a pipe's writer.
constexpr int open_flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

NameValues values_of(const Permit& permit, const ipc::RecipientNames& names) {
  return {names, permit.home, permit.shell};
}

// A name may come from an address: no way up.
bool usable(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos &&
         (path + "/").find("/../") == std::string::npos;
}

// What is wrong with it, as local(8) says; "": nothing.
std::string fault_of_forward(const std::string& path,
                             const struct stat& facts) {
  if (!S_ISREG(facts.st_mode))
    return fmt::format("file {} is not a regular file", path);
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid())
    return fmt::format("file {} has bad owner uid {}", path, facts.st_uid);
  if ((facts.st_mode & S_IWOTH) != 0)
    return fmt::format("file {} is world writable", path);
  return "";
}

// From the open file, so that what was looked at is what is read.
void take_forward(const std::string& path, ipc::ListAnswer& answer) {
  const Fd file(::open(path.c_str(), open_flags));
  struct stat facts;
  if (!file || ::fstat(file.get(), &facts) != 0) {
    answer.warnings.push_back(
        fmt::format("cannot open file {}: {}", path, os::error_text(errno)));
    return;
  }
  if (std::string fault = fault_of_forward(path, facts); !fault.empty()) {
    answer.warnings.push_back(std::move(fault));
    return;
  }
  Result<std::string> text =
      os::read_at(file.get(), largest + 1, 0, "error reading forwarding file");
  if (text && text->size() > largest)
    text = try_later("3.5", fmt::format("file {} is larger than {} bytes", path,
                                        largest));
  if (!text) {
    answer.warnings.push_back(text.trouble().text);
    return;
  }
  answer.found = true;
  answer.path = path;
  answer.text = std::move(*text);
  answer.owner = facts.st_uid;
}

Trouble unusable(std::string text) { return give_up("3.5", std::move(text)); }

// Who may not look is told later: somebody will give the rights.
Trouble not_opened(const char* what, const std::string& path, int error) {
  Trouble trouble =
      unusable(fmt::format("{} {}: {}", what, path, os::error_text(error)));
  if (error != ENOENT && error != ENOTDIR)
    trouble.lasting = Lasting::temporary;
  return trouble;
}

Result<ipc::ListAnswer> read_list(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0)
    return not_opened("unable to lookup :include: file", path, errno);
  if (!S_ISREG(facts.st_mode))
    return unusable(":include: file " + path + " is not a regular file");
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file || ::fstat(file.get(), &facts) != 0)
    return not_opened("cannot open include file", path, errno);
  if ((facts.st_mode & S_IWOTH) != 0)
    return unusable(":include: file " + path + " is world writable");
  Result<std::string> text =
      os::read_at(file.get(), largest + 1, 0, "read " + path);
  if (!text) return text.trouble();
  if (text->size() > largest)
    return try_later("3.5", fmt::format(":include: file {} is larger than {} "
                                        "bytes; make several of it",
                                        path, largest));
  ipc::ListAnswer answer;
  answer.found = true;
  answer.path = path;
  answer.text = std::move(*text);
  answer.owner = facts.st_uid;
  return answer;
}

bool names_destination(const std::string& text, const Destination& wanted) {
  const std::vector<Destination> all = parse_list(text);
  return std::find(all.begin(), all.end(), wanted) != all.end();
}

// A path of forward_path with all that its user decides filled in, up to what
// the address decides.
std::string fixed_part(const Permit& permit, const std::string& path) {
  constexpr char unknown[] = "\001";
  ipc::RecipientNames names = {unknown, unknown,      unknown,
                               unknown, unknown, unknown};
  if (!permit.user.empty()) names.user = permit.user;
  const Result<Expanded> expanded =
      expand_names(path, values_of(permit, names), std::nullopt);
  if (!expanded || !expanded->complete) return "";
  return expanded->text.substr(0, expanded->text.find(unknown[0]));
}

}  // namespace

ipc::ListAnswer find_forward(const Permit& permit,
                             const ipc::RecipientNames& names) {
  ipc::ListAnswer answer;
  for (const std::string& path : split_words(permit.forward_path)) {
    const Result<Expanded> expanded =
        expand_names(path, values_of(permit, names), permit.forward_filter);
    if (!expanded) {
      answer.warnings.push_back("forward_path: " + expanded.trouble().text);
      continue;
    }
    if (!expanded->complete || !usable(expanded->text)) continue;
    // local asks for none such; it is not what decides.
    if (expanded->extension_used &&
        names.extension.find('/') != std::string::npos)
      continue;
    struct stat facts;
    if (::lstat(expanded->text.c_str(), &facts) != 0) continue;
    answer.extension_used = expanded->extension_used;
    std::string fault = fault_of_forward(expanded->text, facts);
    if (fault.empty())
      take_forward(expanded->text, answer);
    else
      answer.warnings.push_back(std::move(fault));
    break;
  }
  return answer;
}

ipc::ListAnswer read_include(const Permit& permit) {
  Result<ipc::ListAnswer> read = read_list(permit.list);
  if (read) return std::move(*read);
  ipc::ListAnswer answer;
  answer.trouble = ipc::TroubleWire::from(read.trouble());
  return answer;
}

Status check_origin(const Permit& permit, const ipc::RecipientNames& names,
                    const Destination& wanted) {
  if (permit.origin.empty()) return {};
  if (permit.origin == "forward") {
    const ipc::ListAnswer forward = find_forward(permit, names);
    if (forward.found && names_destination(forward.text, wanted)) return {};
    return try_later("3.0", "no forwarding file of user " + permit.user +
                                " names " + wanted.text);
  }
  const std::string& path =
      permit.outer_list.empty() ? permit.list : permit.outer_list;
  const Result<ipc::ListAnswer> list = read_list(path);
  if (!list) return list.trouble();
  const bool owned = list->owner == 0 || list->owner == ::geteuid();
  if (owned && names_destination(list->text, wanted)) return {};
  return try_later("3.0", "file " + path + " does not name " +
                              wanted.text + " for user " + permit.user);
}

std::vector<std::string> list_directories(const Permit& permit) {
  std::vector<std::string> directories;
  const auto add = [&](const std::string& path) {
    const std::string directory = os::directory_of(path);
    // Where we do not get to, no file of ours is.
    if (::access(directory.c_str(), X_OK) == 0)
      directories.push_back(directory);
  };
  for (const std::string& path : split_words(permit.forward_path))
    if (const std::string fixed = fixed_part(permit, path);
        fixed.starts_with('/'))
      add(fixed + "x");
  if (!permit.list.empty()) add(permit.list);
  if (!permit.outer_list.empty()) add(permit.outer_list);
  return directories;
}

}  // namespace postern::local
