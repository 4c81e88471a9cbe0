#include "master/judge.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "common/base/text.h"
#include "common/config/command_row.h"
#include "common/os/users.h"
#include "common/service/rights.h"

namespace postern::master {
namespace {

// By policy: it will be no different the next time.
Trouble refused(std::string text) { return give_up("3.0", std::move(text)); }

// local has seen it otherwise. One of the two is short of something (a user
// database without descriptors says "no such user") or has older settings: the
// message waits, and a process that was taken over gets no more by it.
Trouble contradicted(std::string text) {
  return try_later("3.0", std::move(text));
}

bool lists(const std::string& words, std::string_view word) {
  const std::vector<std::string> all = split_words(words);
  return std::any_of(all.begin(), all.end(), [&](const std::string& each) {
    return equal_nocase(each, word);
  });
}

bool clean_path(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos &&
         (path + "/").find("/../") == std::string::npos;
}

class Judge {
 public:
  Judge(const ipc::WorkerRequest& request, const JudgeFacts& facts)
      : request_(request), facts_(facts), config_(facts.config) {}

  Result<Verdict> decide() {
    verdict_.environment = facts_.environment;
    const std::string& program = facts_.row.program;
    Status done = refused("service " + facts_.row.name +
                          " has no use for a process of its own");
    if (program == "local") done = for_local();
    if (program == "virtual") done = for_virtual();
    if (program == "pipe" || program == "spawn") done = for_row(program);
    if (!done) return done.trouble();
    if (Status allowed = not_the_suite(); !allowed) return allowed.trouble();
    return std::move(verdict_);
  }

 private:
  Permit& permit() { return verdict_.permit; }

  // --- local ---

  Status for_local() {
    if (Status known = find_user(); !known) return known;
    if (request_.purpose == "mailbox") return mailbox();
    if (request_.purpose == "file") return file();
    if (request_.purpose == "list") return list();
    if (request_.purpose == "command") return command();
    return refused("unknown purpose \"" + request_.purpose + "\"");
  }

  // By name, so that the ids are those of the user database.
  Status find_user() {
    const Result<std::optional<os::User>> found =
        os::find_user(request_.user);
    if (!found) return found.trouble();
    if (!*found || (*found)->uid != request_.uid)
      return contradicted("user " + request_.user + " does not have id " +
                         std::to_string(request_.uid));
    user_ = **found;
    permit().user = user_.name;
    permit().home = user_.home;
    permit().shell = user_.shell;
    return {};
  }

  // Root's too: a process that is an owner of files and no more.
  Status mailbox() {
    const std::string spool = config_.get<"mail_spool_directory">();
    const auto path =
        mailbox_path(config_.get<"home_mailbox">(), spool, user_);
    if (!request_.path.empty() && (!path || request_.path != *path))
      return contradicted("the mailbox of user " + user_.name + " is not " +
                          request_.path);
    permit().path = request_.path;
    // Not with the spool's group: a user's link would lead to others' mail.
    if (!in_spool(spool, request_.path)) {
      permit().forward_path = config_.raw("forward_path");
      permit().forward_filter = config_.get<"forward_expansion_filter">();
    }
    Identity identity = as_user();
    identity.groups = os::groups_of(user_.name, user_.gid);
    take_spool_group(identity, spool);
    verdict_.identity = std::move(identity);
    return {};
  }

  Status file() {
    if (!clean_path(request_.path))
      return refused("no absolute path: " + request_.path);
    permit().path = request_.path;
    return named_by(config_.get<"allow_mail_to_files">(), "files");
  }

  Status list() {
    if (!clean_path(request_.list))
      return refused("no absolute path: " + request_.list);
    permit().list = request_.list;
    if (request_.origin == "forward") {
      permit().origin = "forward";
      permit().forward_path = config_.raw("forward_path");
      permit().forward_filter = config_.get<"forward_expansion_filter">();
    } else if (request_.origin == "include") {
      // The worker itself looks into the list that names this one.
      if (!clean_path(request_.path))
        return refused("no absolute path: " + request_.path);
      permit().origin = "include";
      permit().outer_list = request_.path;
    } else if (Status known = rights_of_alias(); !known) {
      return known;
    }
    return not_root();
  }

  Status command() {
    verdict_.role = Role::runner;
    permit().command = request_.command;
    permit().shell_words = config_.get<"local_command_shell">();
    permit().directory = config_.raw("command_execution_directory");
    permit().directory_filter =
        config_.get<"execution_directory_expansion_filter">();
    permit().environment_filter = config_.get<"command_expansion_filter">();
    set_limit(config_.get<"command_time_limit">());
    set_environment();
    if (request_.origin == "mailbox_command") {
      if (request_.command != config_.raw("mailbox_command") ||
          request_.command.empty())
        return contradicted("mailbox_command is another command");
      return not_root();
    }
    if (request_.origin == "mailbox_command_maps") {
      if (config_.get<"mailbox_command_maps">().empty())
        return contradicted("mailbox_command_maps is empty");
      return not_root();
    }
    return named_by(config_.get<"allow_mail_to_commands">(), "commands");
  }

  // A file or command that an alias, forwarding file or list names.
  Status named_by(const std::string& allowed, const char* what) {
    if (!lists(allowed, request_.origin))
      return refused(std::string("mail to ") + what + " is not allowed by " +
                     (request_.origin.empty() ? "anybody" : request_.origin));
    if (request_.origin == "alias") {
      permit().home.clear();
      permit().shell.clear();
      if (Status known = rights_of_alias(); !known) return known;
      return not_root();
    }
    permit().origin = request_.origin;
    if (request_.origin == "include") {
      if (!clean_path(request_.list))
        return refused("no absolute path: " + request_.list);
      permit().list = request_.list;
    } else {
      permit().forward_path = config_.raw("forward_path");
      permit().forward_filter = config_.get<"forward_expansion_filter">();
    }
    return not_root();
  }

  // What stands in an alias is done as default_privs, or as the owner of an
  // alias table.
  Status rights_of_alias() {
    const Result<os::User> usual = default_rights(config_);
    if (usual && usual->uid == user_.uid) return {};
    for (const std::string& table :
         split_words(config_.get<"alias_maps">())) {
      const std::optional<os::User> owner = owner_of_table(table);
      if (owner && owner->uid == user_.uid) return {};
    }
    return contradicted("user " + user_.name +
                        " is neither default_privs nor the owner of a table "
                        "of alias_maps");
  }

  Status not_root() {
    if (user_.uid == 0 || user_.gid == 0)
      return refused("nothing but a mailbox is written as root");
    Identity identity = as_user();
    // As local(8) says: no secondary groups for commands.
    if (verdict_.role == Role::worker)
      identity.groups = os::groups_of(user_.name, user_.gid);
    verdict_.identity = std::move(identity);
    return {};
  }

  // --- virtual ---

  Status for_virtual() {
    if (request_.purpose != "mailbox")
      return refused("virtual needs mailboxes only");
    std::string base = config_.get<"virtual_mailbox_base">();
    while (base.size() > 1 && base.ends_with('/')) base.pop_back();
    const bool below =
        base.empty() || base == "/" || request_.path.starts_with(base + "/");
    if (!clean_path(request_.path) || !below)
      return refused(request_.path + " is not below virtual_mailbox_base");
    const std::int64_t least =
        std::max<std::int64_t>(config_.get<"virtual_minimum_uid">(), 1);
    constexpr std::int64_t most = 0xfffffffe;  // -1: "no change" to setuid
    if (request_.uid < least || request_.uid >= most || request_.gid < 1 ||
        request_.gid >= most)
      return refused("no ids for a virtual mailbox: " +
                     std::to_string(request_.uid) + ":" +
                     std::to_string(request_.gid));
    permit().path = request_.path;
    Identity identity;
    identity.uid = static_cast<uid_t>(request_.uid);
    identity.gid = static_cast<gid_t>(request_.gid);
    identity.groups = {identity.gid};
    take_spool_group(identity, config_.get<"mail_spool_directory">());
    verdict_.identity = std::move(identity);
    return {};
  }

  // --- pipe and spawn: the row says all ---

  Status for_row(const std::string& program) {
    if (request_.purpose != "command")
      return refused(program + " needs commands only");
    const Result<config::CommandRow> row =
        config::CommandRow::parse(facts_.row.args, program);
    if (!row) return row.trouble();
    if (!row->chroot.empty()) return refused("chroot= is not available");
    const Result<std::optional<os::User>> found = os::find_user(row->user);
    if (!found) return found.trouble();
    if (!*found) return contradicted("unknown username: " + row->user);
    user_ = **found;
    if (!row->group.empty()) {
      const Result<std::optional<gid_t>> group = os::find_group(row->group);
      if (!group) return group.trouble();
      if (!*group) return contradicted("unknown group: " + row->group);
      user_.gid = **group;
    }
    verdict_.role = Role::runner;
    permit().user = user_.name;
    permit().program = row->argv.front();
    permit().directory = replace_all(row->directory, "$", "$$");
    set_limit(config_.duration(facts_.row.name + "_time_limit",
                               config_.get<"command_time_limit">()));
    permit().home.clear();
    set_environment();
    return not_root();
  }

  // --- for all ---

  Identity as_user() const {
    return {user_.name, user_.uid, user_.gid, {user_.gid}};
  }

  void set_limit(std::chrono::seconds limit) {
    permit().time_limit =
        std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  }

  void set_environment() {
    verdict_.environment = exported_environment(
        config_.get<"export_environment">(), facts_.environment);
    permit().queue_directory = config_.get<"queue_directory">();
  }

  void take_spool_group(Identity& identity, const std::string& spool) const {
    if (const auto group = group_of_spool(spool, request_.path))
      identity.gid = *group;
  }

  Status not_the_suite() const {
    if (facts_.identities == nullptr || !verdict_.identity) return {};
    const Identity& who = *verdict_.identity;
    for (const auto& [which, each] : facts_.identities->of_class) {
      if (each.uid == who.uid)
        return give_up("2.0", "user " + each.user +
                                  " belongs to the mail system and has no "
                                  "mailbox; give it an alias");
      // A group of ours opens the queue as well.
      if (each.gid == who.gid)
        return give_up("2.0", "the group of user " + each.user +
                                  " belongs to the mail system");
    }
    if (who.gid == facts_.identities->drop_group)
      return give_up("2.0", "setgid_group belongs to the mail system");
    return {};
  }

  const ipc::WorkerRequest& request_;
  const JudgeFacts& facts_;
  const config::Config& config_;
  os::User user_;
  Verdict verdict_;
};

}  // namespace

Result<Verdict> judge(const ipc::WorkerRequest& request,
                      const JudgeFacts& facts) {
  Result<Verdict> verdict = Judge(request, facts).decide();
  if (verdict && facts.identities == nullptr) verdict->identity.reset();
  return verdict;
}

std::vector<std::string> exported_environment(
    const std::string& list, const std::vector<std::string>& current) {
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin"};
  const auto words = split_braced(list);
  for (std::string word : words ? *words : split_words(list)) {
    if (word.starts_with('{') && word.ends_with('}'))
      word = trim(std::string_view(word).substr(1, word.size() - 2));
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      for (const std::string& entry : current)
        if (entry.starts_with(word + "=")) environment.push_back(entry);
    } else {
      const std::string name(trim(std::string_view(word).substr(0, equals)));
      environment.push_back(name + "=" +
                            std::string(trim(word.substr(equals + 1))));
    }
  }
  // The last of a name counts.
  std::vector<std::string> unique;
  for (auto each = environment.rbegin(); each != environment.rend(); ++each) {
    const std::string name = each->substr(0, each->find('=') + 1);
    const bool known = std::any_of(
        unique.begin(), unique.end(),
        [&](const std::string& other) { return other.starts_with(name); });
    if (!known && name.size() > 1) unique.push_back(*each);
  }
  return unique;
}

}  // namespace postern::master
