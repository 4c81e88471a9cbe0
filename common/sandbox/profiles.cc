#include "common/sandbox/profiles.h"

#include <linux/capability.h>

#include <algorithm>

#include "common/base/panic.h"

namespace postern::sandbox {
namespace {

using enum Grant;

std::vector<Profile> make_profiles() {
  return {
      {Role::master,
       UserClass::root,
       {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID,
        CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE},
       {unconfined},
       {},
       "binds every listener; makes the links between processes",
       "Starts the others and becomes recipients, so it needs root; reads "
       "nothing that comes from a network, a message or a user's file."},
      {Role::smtpd,
       UserClass::network,
       {},
       {base, event_loop, links, log, accept},
       {},
       "accepted ones only",
       "Reads strangers' bytes first. No file, no key, no password, no "
       "connection of its own: whatever it must know it asks."},
      {Role::cleanup,
       UserClass::queue,
       {},
       {base, event_loop, links, log, accept, files_read, files_write,
        file_locks, threads},
       {{View::queue, true, true}},
       "accepted ones only",
       "The only parser of message content; owns the files it writes. "
       "Threads wait for the disk."},
      {Role::qmgr,
       UserClass::queue,
       {},
       {base, event_loop, links, log, accept, files_read, files_write,
        file_locks},
       {{View::queue, true, true}},
       "accepted ones only",
       "Moves and removes queue files, hands them out as open descriptors; "
       "reads no body."},
      {Role::smtp,
       UserClass::network,
       {},
       {base, event_loop, links, log, connect_stream},
       {},
       "stream connections to servers; listens nowhere",
       "Reads strangers' replies. The message comes as an open descriptor, so "
       "no file is needed."},
      {Role::local,
       UserClass::delivery,
       {},
       {base, event_loop, links, log, accept},
       {},
       "accepted ones only (spawn)",
       "Decides who gets what; aliases are asked of lookup, mailboxes are "
       "written by workers."},
      {Role::worker,
       UserClass::recipient,
       {},
       {base, event_loop, links, log, files_read, files_write, hard_links,
        file_locks},
       {{View::mailbox, true, true}, {View::forward}},
       "none",
       "Has become the recipient, root included, which then is only an owner "
       "of files: no capability, no other file than the mailbox."},
      {Role::authd,
       UserClass::auth,
       {},
       {base, event_loop, links, log, accept, connect_local, stream_pairs,
        files_read, files_write, file_locks, threads},
       {{View::data, true, true},
        {View::secrets},
        {View::sasl},
        {View::random}},
       "to named sockets of this host (saslauthd); none to the Internet",
       "Keeps passwords and private keys away from all who speak with "
       "strangers. Threads compute password hashes."},
      {Role::lookup,
       UserClass::lookup,
       {},
       {base, event_loop, links, log, accept, connect_stream, ask_dns,
        files_read, files_write, file_locks, name_service, threads},
       {{View::everything}, {View::data, true, true}},
       "to name servers and databases; listens nowhere",
       "Tables may lie anywhere and databases answer from anywhere; so that "
       "nobody else needs that freedom. Writes its caches alone."},
      {Role::postlogd,
       UserClass::queue,
       {},
       {base, event_loop, links, log},
       {},
       "the log's datagram socket, bound by master",
       "Copies lines from one descriptor to another."},
      {Role::tool,
       UserClass::caller,
       {},
       {unconfined},
       {},
       "as its caller may",
       "Works for whoever started it, with that user's rights."},
  };
}

void add(std::vector<PathGrant>& grants, const std::vector<std::string>& paths,
         const FileRight& right, bool required) {
  for (const std::string& path : paths)
    grants.push_back({path, true, right.write, right.create, required});
}

}  // namespace

std::string_view to_string(UserClass user) {
  switch (user) {
    case UserClass::queue:
      return "queue";
    case UserClass::network:
      return "network";
    case UserClass::lookup:
      return "lookup";
    case UserClass::delivery:
      return "delivery";
    case UserClass::auth:
      return "auth";
    case UserClass::recipient:
      return "recipient";
    case UserClass::root:
      return "root";
    case UserClass::caller:
      return "caller";
  }
  return "?";
}

std::string_view describe(View view) {
  switch (view) {
    case View::queue:
      return "queue directories";
    case View::data:
      return "data_directory";
    case View::secrets:
      return "keys and password files";
    case View::mailbox:
      return "the mailbox's directories";
    case View::forward:
      return "the recipient's .forward files";
    case View::sasl:
      return "sasldb2";
    case View::random:
      return "/dev/urandom";
    case View::everything:
      return "all that its user may see";
  }
  return "?";
}

bool Profile::has(Grant grant) const {
  return std::find(grants.begin(), grants.end(), grant) != grants.end();
}

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> table = make_profiles();
  return table;
}

const Profile& profile(Role role) {
  for (const Profile& row : profiles())
    if (row.role == role) return row;
  panic("a role without a profile");
}

std::vector<PathGrant> resolve(Role role, const Places& places) {
  std::vector<PathGrant> grants;
  for (const FileRight& right : profile(role).files) {
    switch (right.view) {
      case View::queue:
        add(grants, places.queue, right, true);
        break;
      case View::data:
        add(grants, {places.data}, right, true);
        break;
      case View::secrets:
        add(grants, places.secrets, right, false);
        break;
      case View::sasl:
        add(grants, places.sasl, right, false);
        break;
      case View::mailbox:
        add(grants, places.mailbox, right, true);
        break;
      case View::forward:
        add(grants, places.forward, right, false);
        break;
      case View::random:
        add(grants, {"/dev/urandom"}, right, false);
        break;
      case View::everything:
        add(grants, {"/"}, right, true);
        break;
    }
  }
  return grants;
}

}  // namespace postern::sandbox
