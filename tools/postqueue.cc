// postqueue: shows the queue and asks for deliveries. Set-gid, so that users
// may, as far as main.conf lets them. postqueue(1).
#include <fmt/core.h>
#include <sys/socket.h>
#include <getopt.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <functional>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/queue/names.h"
#include "common/queue/queue_id.h"
#include "common/queue/spool.h"
#include "common/service/queue_listing.h"
#include "tools/caller.h"
#include "tools/named_socket.h"
#include "tools/queue_filter.h"
#include "tools/queue_report.h"
#include "tools/spool_options.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr std::chrono::seconds patience{300};
constexpr std::size_t names_at_once = 500;
constexpr int where_option = 256;
constexpr option long_options[] = {
    {"where", required_argument, nullptr, where_option}, {}};

constexpr const char* usage =
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue "
    "-p | postqueue -s site | postqueue [-j | -p] --where expression";

// Of a line of the listing, what postqueue -j shows.
std::string_view as_before(std::string_view line) {
  const std::size_t at = line.rfind("], \"next_attempt\": ");
  return at == std::string_view::npos ? line : line.substr(0, at + 1);
}

using Line = std::function<void(std::string_view)>;

class Postqueue {
 public:
  Postqueue(const Tool& tool, const config::Config& config, bool verbose)
      : tool_(tool), config_(config), verbose_(verbose) {}

  // `where`: those alone that it matches.
  void list(bool json, const QueueFilter* where);
  void flush();
  void flush_message(const std::string& id);
  void flush_site(const std::string& site);

 private:
  std::string socket(std::string_view service) const {
    return config_.get<"queue_directory">() + "/public/" +
           std::string(service);
  }
  // The answer of a service; without one, fatal.
  std::string ask(const std::string& service, const std::string& request);
  void each_message(const Line& line);
  void read_answer(const Fd& showq, const Line& line);
  void read_queue(const Line& line);
  void tell_connect(std::string_view service) const {
    if (verbose_)
      tool_.info(fmt::format("connect to subsystem public/{}", service));
  }

  const Tool& tool_;
  const config::Config& config_;
  bool verbose_;
};

std::string Postqueue::ask(const std::string& service,
                           const std::string& request) {
  tell_connect(service);
  const Result<std::string> answer =
      ask_named(socket(service), request, patience);
  if (answer) return *answer;
  if (verbose_)
    tool_.warning(fmt::format("connect to public/{}: {}", service,
                              answer.trouble().text));
  tool_.fatal("Cannot flush mail queue - mail system is down");
}

void Postqueue::read_answer(const Fd& showq, const Line& line) {
  std::string pending;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(showq.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      tool_.fatal("Queue report unavailable - " + os::error_text(errno));
    if (n == 0) break;
    pending.append(buffer, static_cast<std::size_t>(n));
    std::size_t start = 0;
    for (std::size_t end; (end = pending.find('\n', start)) !=
                          std::string::npos;
         start = end + 1)
      line(std::string_view(pending).substr(start, end - start));
    pending.erase(0, start);
  }
  if (!pending.empty())
    tool_.warning("malformed showq server response: the end is missing");
}

// While nobody else can tell: for root, who may read the files.
void Postqueue::read_queue(const Line& line) {
  queue::Spool spool(spool_options(config_));
  for (const queue::Box box : queue::mail_boxes) {
    queue::Names names(spool, box);
    for (;;) {
      const auto some = names.next(names_at_once);
      if (!some) tool_.fatal(some.trouble().text);
      if (some->empty()) break;
      for (const std::string& id : *some) {
        if (!queue::valid_id(id)) continue;
        const queue::Spool::Opened opened = spool.open(box, id);
        if (!opened.message) continue;
        const std::string text =
            listing_line(*opened.message, spool.read_results(*opened.message));
        line(trim_right(text));
      }
    }
  }
}

void Postqueue::each_message(const Line& line) {
  const std::string service = config_.get<"showq_service_name">();
  tell_connect(service);
  const Result<Fd> showq = connect_named(socket(service), patience);
  if (showq) return read_answer(*showq, line);
  const std::string why =
      fmt::format("Connect to the {} {} service: {}",
                  config_.get<"mail_name">(), service, showq.trouble().text);
  if (::getuid() != 0)
    tool_.fatal("Queue report unavailable - mail system is down (" + why +
                ")");
  tool_.warning("Mail system is down -- accessing queue directly (" + why +
                ")");
  read_queue(line);
}

void Postqueue::list(bool json, const QueueFilter* where) {
  require_authorised(tool_, config_, "authorized_mailq_users",
                     "view the mail queue");
  QueueReport report(config_.get<"enable_long_queue_ids">());
  const std::int64_t now = std::time(nullptr);
  each_message([&](std::string_view line) {
    if (where != nullptr) {
      const std::optional<Queued> message = queued_from(line);
      if (!message || !where->matches(*message, now)) return;
    }
    if (json) {
      const std::string_view shown = as_before(line);
      std::fwrite(shown.data(), 1, shown.size(), stdout);
      std::fputs(shown.size() < line.size() ? "}\n" : "\n", stdout);
    } else if (const auto text = report.message(line)) {
      std::fputs(text->c_str(), stdout);
    } else {
      tool_.warning("malformed showq server response");
    }
  });
  if (!json) std::fputs(report.end().c_str(), stdout);
}

void Postqueue::flush() {
  require_authorised(tool_, config_, "authorized_flush_users",
                     "flush the mail queue");
  if (const std::string answer =
          ask(config_.get<"queue_service_name">(), "flush");
      answer != "ok")
    tool_.fatal("Cannot flush mail queue - the answer was: " + answer);
}

void Postqueue::flush_message(const std::string& id) {
  if (!queue::valid_id(id))
    tool_.fatal(
        fmt::format("Cannot flush queue ID - invalid name: \"{}\"", id));
  require_authorised(tool_, config_, "authorized_flush_users",
                     "flush the mail queue");
  // "unknown" is no mistake: it may have been delivered this moment.
  const std::string answer =
      ask(config_.get<"queue_service_name">(), "flush-id " + id);
  if (answer != "ok" && answer != "unknown")
    tool_.fatal("Cannot flush queue ID - the answer was: " + answer);
}

void Postqueue::flush_site(const std::string& site) {
  const std::string_view name =
      std::string_view(site).substr(site.starts_with('@') ? 1 : 0);
  if (!mail::valid_hostname(name) && !mail::valid_literal(name))
    tool_.fatal(fmt::format(
        "Cannot flush mail queue - invalid destination: \"{}\"", site));
  require_authorised(tool_, config_, "authorized_flush_users",
                     "flush the mail queue");
  const std::string answer =
      ask(config_.get<"flush_service_name">(), "site " + site);
  if (answer == "ok") return;
  if (answer == "deny")
    tool_.fatal(fmt::format(
        "Flush service is not configured for destination \"{}\"", site));
  if (answer == "bad")
    tool_.fatal(fmt::format("Invalid request: \"{}\"", site));
  tool_.fatal("Cannot flush mail queue - the answer was: " + answer);
}

}  // namespace

int main(int argc, char** argv) {
  settle_in();
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  tool.fail_with(EX_UNAVAILABLE);
  int mode = 0;
  std::string what;
  bool verbose = false;
  int option = 0;
  std::optional<std::string> where;
  while ((option = ::getopt_long(argc, argv, "c:fi:jps:v", long_options,
                                 nullptr)) != -1) {
    switch (option) {
      case where_option: where = optarg; break;
      case 'c': tool.use_directory(optarg); break;
      case 'v': verbose = true; break;
      case '?': tool.fatal(usage);
      default:
        if (mode != 0) tool.fatal(usage);
        mode = option;
        if (optarg != nullptr) what = optarg;
    }
  }
  if (where && mode == 0) mode = 'p';
  if (mode == 0 || optind < argc || (where && mode != 'j' && mode != 'p'))
    tool.fatal(usage);
  std::optional<QueueFilter> filter;
  if (where) filter = filter_or_die(tool, *where);
  const config::Config config = tool.load_and_log();
  clean_environment(config);
  Postqueue postqueue(tool, config, verbose);
  switch (mode) {
    case 'f': postqueue.flush(); break;
    case 'i': postqueue.flush_message(what); break;
    case 's': postqueue.flush_site(what); break;
    default: postqueue.list(mode == 'j', filter ? &*filter : nullptr);
  }
  return std::fflush(stdout) == 0 ? 0 : EX_IOERR;
}
