// postsuper: what the owner of the queue does to it. postsuper(1).
#include <fmt/core.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>

#include "common/base/text.h"
#include "common/os/users.h"
#include "common/queue/queue_id.h"
#include "common/service/directories.h"
#include "common/service/instance.h"
#include "tools/named_socket.h"
#include "tools/postsuper_queue.h"
#include "tools/queue_filter.h"
#include "tools/spool_options.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr const char* usage =
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id "
    "(expire)] [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] "
    "[-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id "
    "(requeue)] [-s (structure fix)] [-S (redundant structure fix)]"
    "[-v (verbose)] [--dry-run] [queue...]; "
    "for queue_id also ALL, - or --where expression";

constexpr int dry_run_option = 256;
constexpr option long_options[] = {
    {"dry-run", no_argument, nullptr, dry_run_option}, {}};

struct Order {
  Deed deed;
  std::string what;  // an id, ALL, or - for standard input
  std::optional<QueueFilter> where;
};

struct Options {
  std::vector<Order> orders;
  std::vector<std::string> names;  // of queues; empty: the usual ones
  bool purge = false;
  bool structure = false;
  bool long_names = false;
  bool verbose = false;
  bool dry_run = false;
};

std::optional<Deed> deed_of(int letter) {
  switch (letter) {
    case 'd': return Deed::remove;
    case 'e': return Deed::expire;
    case 'f': return Deed::expire_and_release;
    case 'h': return Deed::hold;
    case 'H': return Deed::release;
    case 'r': return Deed::requeue;
    default: return std::nullopt;
  }
}

Options read_options(Tool& tool, int argc, char** argv) {
  Options options;
  int option = 0;
  while ((option = ::getopt_long(argc, argv, "c:d:e:f:h:H:pr:sSv",
                                 long_options, nullptr)) != -1) {
    if (const auto deed = deed_of(option)) {
      Order order{*deed, optarg, std::nullopt};
      if (order.what == "--where") {
        if (optind >= argc) tool.fatal("--where needs an expression");
        order.where = filter_or_die(tool, argv[optind++]);
      }
      options.orders.push_back(std::move(order));
      continue;
    }
    switch (option) {
      case 'c': tool.use_directory(optarg); break;
      case 'p': options.purge = true; break;
      case 'S': options.long_names = true; [[fallthrough]];
      case 's': options.structure = true; break;
      case 'v': options.verbose = true; break;
      case dry_run_option: options.dry_run = true; break;
      default: tool.fatal(usage);
    }
  }
  options.names.assign(argv + optind, argv + argc);
  if (options.dry_run &&
      (options.orders.empty() || options.purge || options.structure))
    tool.fatal("--dry-run goes with -d, -e, -f, -h, -H and -r alone");
  if (options.orders.empty() && !options.purge && !options.structure)
    options.purge = options.structure = true;
  return options;
}

std::vector<queue::Box> boxes_named(const Tool& tool,
                                    const std::vector<std::string>& names) {
  std::vector<queue::Box> boxes;
  for (const std::string& name : names) {
    const auto box = queue::box_from(name);
    if (!box || *box == queue::Box::corrupt)
      tool.fatal("invalid directory name: " + name);
    boxes.push_back(*box);
  }
  return boxes;
}

// Root, or who owns the queue of a suite that an ordinary user runs.
void require_owner(const Tool& tool, const config::Config& config) {
  if (::getuid() == 0) return;
  struct stat facts;
  const std::string incoming = config.get<"queue_directory">() + "/incoming";
  if (::stat(incoming.c_str(), &facts) != 0 || facts.st_uid != ::getuid())
    tool.fatal("use of this command is reserved for the superuser");
}

void make_directories(const Tool& tool, const config::Config& config) {
  const auto wanted = wanted_directories(config, ::getuid() == 0);
  if (!wanted) tool.fatal(wanted.trouble().text);
  for (const WantedDirectory& each : *wanted) {
    const Result<bool> made = make_if_missing(each);
    if (!made) tool.warning(made.trouble().text);
    if (made && *made) tool.info("made directory " + each.path);
  }
}

// All files are mail_owner's or lie in mail_owner's directories; root would
// follow what a user has put there.
void become_owner(const Tool& tool, const config::Config& config) {
  if (::getuid() != 0) return;
  const std::string name = config.get<"mail_owner">();
  const Result<std::optional<os::User>> user = os::find_user(name);
  if (!user) tool.fatal(user.trouble().text);
  if (!*user) tool.fatal("mail_owner: there is no user " + name);
  const Status done = os::become((*user)->uid, (*user)->gid, {});
  if (!done) tool.fatal(done.trouble().text);
}

void obey_id(const Tool& tool, QueueKeeper& keeper, const Order& order,
             const std::string& id, const std::vector<queue::Box>& boxes) {
  if (queue::valid_id(id))
    keeper.one(order.deed, id, boxes);
  else if (!std::all_of(id.begin(), id.end(), [](unsigned char c) {
             return std::isalnum(c) != 0 || c == '_';
           }))
    tool.warning("invalid mail queue id: " + id);
}

void obey(const Tool& tool, QueueKeeper& keeper, const Order& order,
          const std::vector<queue::Box>& named) {
  const std::vector<queue::Box> boxes =
      named.empty() ? QueueKeeper::usual_boxes(order.deed) : named;
  if (order.where) return keeper.where(order.deed, boxes, *order.where);
  if (order.what == "ALL") return keeper.all(order.deed, boxes);
  if (order.what != "-")
    return obey_id(tool, keeper, order, order.what, boxes);
  std::string line;
  int c = 0;
  do {
    c = std::getc(stdin);
    if (c != EOF && c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    const std::string id(trim(line));
    line.clear();
    if (!id.empty()) obey_id(tool, keeper, order, id, boxes);
  } while (c != EOF);
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  ::umask(077);
  const Options options = read_options(tool, argc, argv);
  const config::Config config = tool.load_and_log();
  const std::vector<queue::Box> named = boxes_named(tool, options.names);
  require_owner(tool, config);
  // A running suite knows its messages by their names.
  const auto running = running_master(config);
  const bool may_rename = running && !*running;
  if (options.structure) make_directories(tool, config);
  become_owner(tool, config);

  QueueKeeper keeper(tool, spool_options(config), options.verbose,
                     options.dry_run);
  std::vector<Deed> asked;
  for (const Order& order : options.orders) {
    obey(tool, keeper, order, named);
    asked.push_back(order.deed);
  }
  if (options.purge) keeper.purge();
  if (options.structure) keeper.put_in_order(may_rename, options.long_names);
  keeper.report(asked);
  for (const Deed deed : asked) {
    if (deed != Deed::requeue || options.dry_run) continue;
    [[maybe_unused]] const Status woken =
        poke(config.get<"queue_directory">() + "/public/" +
             config.get<"pickup_service_name">());
    break;
  }
  return 0;
}
