// postuser: the users of authd's store. postuser(1).
#include <fmt/core.h>
#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/passwd_file.h"
#include "common/credentials/saslprep.h"
#include "common/credentials/store.h"
#include "common/os/files.h"
#include "common/os/users.h"
#include "common/service/directories.h"
#include "common/service/places.h"
#include "common/service/tool.h"
#include "tools/caller.h"
#include "tools/password_input.h"
#include "tools/sasldb_dump.h"

using namespace postern;
using namespace postern::tools;
using credentials::Account;
using credentials::Store;

namespace {

constexpr const char* usage =
    "usage: postuser [-c directory] add [-m] user | passwd [-m] user | list "
    "[-j] [user...] | delete user... | disable user... | enable user... | "
    "import [-dr] [-f passwd|sasldb] [-s scheme] file";

constexpr std::int64_t kibibyte = 1024;

struct Options {
  bool cram_md5 = false;  // -m
  bool json = false;      // -j
  bool replace = false;   // -r
  bool dry = false;       // -d
  std::string format = "passwd";
  std::string scheme = "CRYPT";
  std::vector<std::string> words;
};

class Postuser {
 public:
  Postuser(const Tool& tool, const config::Config& config)
      : tool_(tool), config_(config) {}

  int run(const std::string& verb, const Options& options);

 private:
  void add(const Options& options);
  void change_password(const Options& options);
  int each(const Options& options, const char* done,
           Result<bool> (*change)(Store&, const std::string&));
  int list(const Options& options);
  int import(const Options& options);
  std::vector<credentials::ImportedUser> read_users(const Options& options,
                                                    int* wrong);
  credentials::Keys keys_for(credentials::ImportedUser& user);
  Result<bool> import_one(Store& store, const credentials::ImportedUser& user,
                          const credentials::Keys& keys, bool replace);

  const std::string& only_name(const Options& options);
  credentials::Wanted wanted(bool cram_md5) const;
  credentials::Keys new_keys(std::string password, bool cram_md5);
  // As the owner of the store, for good: what is made there is his.
  Store open(Store::Open how);
  void become_owner(uid_t owner);
  template <class T>
  T value_of(Result<T> result) {
    if (!result) tool_.fatal(result.trouble().text);
    return std::move(*result);
  }

  const Tool& tool_;
  const config::Config& config_;
};

Store Postuser::open(Store::Open how) {
  const std::string directory = data_directory_of(Role::authd, config_);
  const bool as_root = ::geteuid() == 0;
  for (const WantedDirectory& each :
       value_of(wanted_directories(config_, as_root))) {
    const bool own = each.path == directory;
    if (how == Store::Open::create &&
        (own || each.path == data_directory_of(Role::lookup, config_)))
      value_of(make_if_missing(each));
    if (own && as_root) become_owner(each.owner);
  }
  if (how == Store::Open::existing &&
      !os::exists(credentials::store_path(directory)) && errno == ENOENT)
    tool_.fatal("there is no user store " + credentials::store_path(directory) +
                "; \"postuser add\" makes it");
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
    tool_.fatal(os::system_trouble(directory, errno).text +
                " (the user store is root's and auth_owner's to change)");
  return value_of(Store::open(credentials::store_path(directory), how));
}

void Postuser::become_owner(uid_t owner) {
  const std::optional<os::User> user = value_of(os::find_user(owner));
  const gid_t group = user ? user->gid : owner;
  if (Status done = os::become(owner, group, {group}); !done)
    tool_.fatal(done.trouble().text);
}

const std::string& Postuser::only_name(const Options& options) {
  if (options.words.size() != 1) tool_.usage(usage);
  const std::string& name = options.words.front();
  if (!credentials::valid_user_name(name) ||
      !credentials::valid_user_name(credentials::name_key(name)))
    tool_.fatal("\"" + printable_utf8(name) +
                "\" cannot be the name of a user: at most 255 bytes, without "
                "spaces, control characters and \":\"");
  return name;
}

credentials::Wanted Postuser::wanted(bool cram_md5) const {
  credentials::Wanted wanted = credentials::wanted_for(
      config_.get<"auth_mechanisms">(),
      {config_.get<"auth_hash_memory">() * kibibyte,
       config_.get<"auth_hash_passes">()});
  wanted.cram_md5 = cram_md5;
  return wanted;
}

credentials::Keys Postuser::new_keys(std::string password, bool cram_md5) {
  if (!credentials::saslprep(password))
    tool_.warning("the password is taken, but has a character, or letters of "
                  "both directions, that RFC 4013 forbids: some mail programs "
                  "will not send it");
  credentials::Keys keys =
      credentials::make_keys(password, wanted(cram_md5));
  credentials::wipe(password);
  if (keys.empty())
    tool_.fatal("there is not enough memory for auth_hash_memory = " +
                config_.text("auth_hash_memory"));
  return keys;
}

void Postuser::add(const Options& options) {
  const std::string& name = only_name(options);
  std::string password = value_of(read_new_password(name));
  Store store = open(Store::Open::create);
  const credentials::Keys keys =
      new_keys(std::move(password), options.cram_md5);
  if (!value_of(store.add(name, keys, false, ::time(nullptr))))
    tool_.fatal("there is a user " + name +
                " already; \"postuser passwd\" changes the password");
}

void Postuser::change_password(const Options& options) {
  const std::string& name = only_name(options);
  std::string password = value_of(read_new_password(name));
  Store store = open(Store::Open::existing);
  const std::optional<Account> account = value_of(store.find(name));
  if (!account) tool_.fatal("there is no user " + printable_utf8(name));
  // A user who has a key for CRAM-MD5 keeps having one.
  const bool cram_md5 =
      options.cram_md5 ||
      credentials::find_key(account->keys, credentials::cram_md5_kind);
  const credentials::Keys keys = new_keys(std::move(password), cram_md5);
  if (!value_of(store.set_keys(name, keys, ::time(nullptr))))
    tool_.fatal("there is no user " + printable_utf8(name));
}

int Postuser::each(const Options& options, const char* done,
                   Result<bool> (*change)(Store&, const std::string&)) {
  if (options.words.empty()) tool_.usage(usage);
  Store store = open(Store::Open::existing);
  int result = 0;
  for (const std::string& name : options.words) {
    if (value_of(change(store, name))) {
      std::printf("%s: %s\n", done, name.c_str());
    } else {
      tool_.warning("there is no user " + printable_utf8(name));
      result = 1;
    }
  }
  return result;
}

std::string date_of(std::int64_t seconds) {
  if (seconds == 0) return "never";
  const time_t when = seconds;
  tm parts;
  ::localtime_r(&when, &parts);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

// "argon2id, scram-sha-256"; of an imported hash its scheme too.
std::vector<std::string> kinds_of(const Account& account) {
  std::vector<std::string> kinds;
  for (const credentials::Key& key : account.keys)
    kinds.push_back(key.kind == credentials::imported_kind
                        ? "imported " +
                              key.value.substr(0, key.value.find('}') + 1)
                        : key.kind);
  return kinds;
}

void print_json(const Account& account) {
  const nlohmann::json line = {{"name", account.name},
                               {"disabled", account.disabled},
                               {"made", account.made},
                               {"changed", account.changed},
                               {"logged_in", account.logged_in},
                               {"keys", kinds_of(account)}};
  std::printf("%s\n", line.dump().c_str());
}

int Postuser::list(const Options& options) {
  Store store = open(Store::Open::existing);
  std::vector<Account> accounts;
  int result = 0;
  if (options.words.empty()) accounts = value_of(store.list());
  for (const std::string& name : options.words) {
    std::optional<Account> found = value_of(store.find(name));
    if (found) {
      accounts.push_back(std::move(*found));
    } else {
      tool_.warning("there is no user " + printable_utf8(name));
      result = 1;
    }
  }
  std::size_t width = 4;
  for (const Account& account : accounts)
    width = std::max(width, account.name.size());
  if (!options.json && !accounts.empty())
    fmt::print("{:<{}}  {:<8}  {:<16}  {:<16}  {}\n", "USER", width, "STATE",
               "LAST LOG-IN", "PASSWORD OF", "KEYS");
  for (const Account& account : accounts) {
    if (options.json) {
      print_json(account);
      continue;
    }
    fmt::print("{:<{}}  {:<8}  {:<16}  {:<16}  {}\n", account.name, width,
               account.disabled ? "disabled" : "enabled",
               date_of(account.logged_in), date_of(account.changed),
               join(kinds_of(account), ", "));
  }
  return result;
}

std::vector<credentials::ImportedUser> Postuser::read_users(
    const Options& options, int* wrong) {
  if (options.words.size() != 1) tool_.usage(usage);
  const std::string& file = options.words.front();
  const bool sasldb = options.format == "sasldb";
  std::string text;
  if (file == "-") {
    char buffer[65536];
    std::size_t count = 0;
    while ((count = std::fread(buffer, 1, sizeof buffer, stdin)) > 0)
      text.append(buffer, count);
  } else {
    text = value_of(sasldb ? dump_berkeley_db(file) : os::read_file(file));
  }
  const auto complain = [&](const std::string& why) {
    tool_.warning(file + ": " + why);
    ++*wrong;
  };
  if (sasldb) {
    credentials::ImportedFile all = credentials::sasldb_dump(text);
    credentials::wipe(text);
    for (const std::string& why : all.troubles) complain(why);
    return std::move(all.users);
  }
  std::vector<credentials::ImportedUser> users;
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    credentials::ImportedLine read =
        credentials::passwd_line(line, options.scheme);
    if (!read.trouble.empty())
      complain("line " + std::to_string(number) + ": " + read.trouble);
    if (read.user) users.push_back(std::move(*read.user));
  }
  credentials::wipe(text);
  return users;
}

// A password in the clear does not stay so.
credentials::Keys Postuser::keys_for(credentials::ImportedUser& user) {
  if (!user.password.plain()) return credentials::imported_keys(user.password);
  credentials::Keys keys =
      credentials::make_keys(user.password.data, wanted(false));
  credentials::wipe(user.password.data);
  if (keys.empty())
    tool_.fatal("there is not enough memory for auth_hash_memory = " +
                config_.text("auth_hash_memory"));
  return keys;
}

Result<bool> Postuser::import_one(Store& store,
                                  const credentials::ImportedUser& user,
                                  const credentials::Keys& keys,
                                  bool replace) {
  const std::int64_t now = ::time(nullptr);
  const Result<bool> added = store.add(user.name, keys, user.disabled, now);
  if (!added || *added || !replace) return added;
  const Result<bool> set = store.set_keys(user.name, keys, now);
  if (!set) return set;
  return store.set_disabled(user.name, user.disabled);
}

// All that could be read is taken over together, or nothing is.
int Postuser::import(const Options& options) {
  if (options.format != "passwd" && options.format != "sasldb")
    tool_.usage(usage);
  int wrong = 0;
  std::vector<credentials::ImportedUser> users = read_users(options, &wrong);
  if (options.dry) {
    for (const credentials::ImportedUser& user : users)
      std::printf("%s {%s}%s\n", user.name.c_str(),
                  user.password.scheme.c_str(),
                  user.disabled ? " disabled" : "");
    return wrong > 0 ? 1 : 0;
  }
  std::vector<credentials::Keys> keys;
  for (credentials::ImportedUser& user : users) keys.push_back(keys_for(user));
  Store store = open(Store::Open::create);
  int taken = 0, present = 0;
  if (Status begun = store.begin(); !begun) tool_.fatal(begun.trouble().text);
  for (std::size_t i = 0; i < users.size(); ++i) {
    if (value_of(import_one(store, users[i], keys[i], options.replace))) {
      ++taken;
    } else {
      ++present;
      tool_.warning(users[i].name +
                    " is there already (-r replaces the password)");
    }
  }
  if (Status done = store.commit(); !done) tool_.fatal(done.trouble().text);
  std::printf("%d taken over, %d there already, %d not understood\n", taken,
              present, wrong);
  return wrong > 0 || present > 0 ? 1 : 0;
}

int Postuser::run(const std::string& verb, const Options& options) {
  if (verb == "add") {
    add(options);
  } else if (verb == "passwd") {
    change_password(options);
  } else if (verb == "list") {
    return list(options);
  } else if (verb == "delete") {
    return each(options, "deleted", [](Store& store, const std::string& name) {
      return store.remove(name);
    });
  } else if (verb == "disable") {
    return each(options, "disabled", [](Store& store, const std::string& name) {
      return store.set_disabled(name, true);
    });
  } else if (verb == "enable") {
    return each(options, "enabled", [](Store& store, const std::string& name) {
      return store.set_disabled(name, false);
    });
  } else if (verb == "import") {
    return import(options);
  } else {
    tool_.usage(usage);
  }
  return 0;
}

Options options_of(const Tool& tool, int argc, char** argv) {
  Options options;
  int option = 0;
  // From behind the verb.
  while ((option = ::getopt(argc, argv, "+df:jmrs:")) != -1) {
    switch (option) {
      case 'd': options.dry = true; break;
      case 'f': options.format = optarg; break;
      case 'j': options.json = true; break;
      case 'm': options.cram_md5 = true; break;
      case 'r': options.replace = true; break;
      case 's': options.scheme = optarg; break;
      default: tool.usage(usage);
    }
  }
  options.words.assign(argv + optind, argv + argc);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  settle_in();
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  int option = 0;
  while ((option = ::getopt(argc, argv, "+c:")) != -1) {
    if (option != 'c') tool.usage(usage);
    tool.use_directory(optarg);
  }
  if (optind >= argc) tool.usage(usage);
  const std::string verb = argv[optind++];
  const Options options = options_of(tool, argc, argv);
  const config::Config config = tool.load();
  const int result = Postuser(tool, config).run(verb, options);
  return std::fflush(stdout) == 0 ? result : 1;
}
