// Tables of the system: unix: (users and groups in the form of their files)
// and environ: (environment variables).
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstdlib>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/tables/openers.h"

namespace postern::tables {
namespace {

constexpr std::size_t largest_buffer = 16u << 20;

std::string line_of(const passwd& user) {
  return std::string(user.pw_name) + ":" + user.pw_passwd + ":" +
         std::to_string(user.pw_uid) + ":" + std::to_string(user.pw_gid) + ":" +
         user.pw_gecos + ":" + user.pw_dir + ":" + user.pw_shell;
}

std::string line_of(const group& one) {
  std::string members;
  for (char** member = one.gr_mem; *member != nullptr; ++member) {
    if (!members.empty()) members += ',';
    members += *member;
  }
  return std::string(one.gr_name) + ":" + one.gr_passwd + ":" +
         std::to_string(one.gr_gid) + ":" + members;
}

// `get` is getpwnam_r or getgrnam_r.
template <class Record, class Get>
Found ask(Get get, const std::string& table, const std::string& key) {
  std::vector<char> buffer(4096);
  for (;;) {
    Record record;
    Record* found = nullptr;
    const int error =
        get(key.c_str(), &record, buffer.data(), buffer.size(), &found);
    if (found != nullptr) return std::optional(line_of(*found));
    if (error == ERANGE && buffer.size() < largest_buffer) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    // Several C libraries say these for "no such name".
    if (error == 0 || error == ENOENT || error == ESRCH)
      return std::optional<std::string>();
    return try_later(
        "3.0", "table " + table + ": query error: " + os::error_text(error));
  }
}

class SystemTable : public Table {
 public:
  SystemTable(std::string name, bool groups)
      : Table(std::move(name)), groups_(groups) {}

 protected:
  Found look_up(std::string_view key) override {
    if (key.find('\0') != std::string_view::npos)
      return std::optional<std::string>();
    return groups_ ? ask<group>(getgrnam_r, name(), std::string(key))
                   : ask<passwd>(getpwnam_r, name(), std::string(key));
  }

 private:
  bool groups_;
};

class Variables : public Table {
 public:
  using Table::Table;

  Status for_each(const Visit& visit) override {
    for (char** at = environ; *at != nullptr; ++at) {
      const std::string_view entry(*at);
      const std::size_t equals = entry.find('=');
      if (equals != std::string_view::npos)
        visit(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return {};
  }

 protected:
  Found look_up(std::string_view key) override {
    const char* value = std::getenv(std::string(key).c_str());
    if (value == nullptr) return std::optional<std::string>();
    return std::optional<std::string>(value);
  }
};

}  // namespace

Opened open_unix(const Spec& spec, const OpenOptions&) {
  const bool groups = spec.name == "group.byname";
  if (!groups && spec.name != "passwd.byname")
    return try_later("3.5", "unknown table: " + spec.text());
  return Opened(std::make_unique<SystemTable>(spec.text(), groups));
}

Opened open_environ(const Spec& spec, const OpenOptions&) {
  return Opened(std::make_unique<Variables>(spec.text()));
}

}  // namespace postern::tables
