// qshape: how old the mail of a queue is, by domain. qshape(1).
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "common/base/text.h"
#include "common/queue/names.h"
#include "common/queue/queue_id.h"
#include "common/service/tool.h"
#include "tools/queue_shape.h"
#include "tools/spool_options.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr const char* usage =
    "usage: qshape [-s] [-p] [-m min_subdomains] [-b bucket_count] "
    "[-t bucket_time] [-l] [-w terminal_width] [-c config_dir] [queue...]";

constexpr std::size_t names_at_once = 500;

struct Options {
  ShapeRules rules;
  bool senders = false;
  std::vector<queue::Box> boxes;
};

int number(const Tool& tool, const char* text, int least, int most) {
  const auto value = parse_number(text);
  if (!value || *value < least || *value > most)
    tool.fatal(fmt::format("{}: a number from {} to {} is expected", text,
                           least, most));
  return static_cast<int>(*value);
}

Options read_options(Tool& tool, int argc, char** argv) {
  Options options;
  int option = 0;
  while ((option = ::getopt(argc, argv, "spm:b:t:lw:c:")) != -1) {
    switch (option) {
      case 's': options.senders = true; break;
      case 'p': options.rules.parents = true; break;
      case 'm': options.rules.least_subdomains = number(tool, optarg, 1, 100000); break;
      case 'b': options.rules.buckets = number(tool, optarg, 2, 30); break;
      case 't': options.rules.minutes = number(tool, optarg, 1, 100000); break;
      case 'l': options.rules.linear = true; break;
      case 'w': options.rules.width = number(tool, optarg, 20, 1000); break;
      case 'c': tool.use_directory(optarg); break;
      default: tool.fatal(usage);
    }
  }
  for (int i = optind; i < argc; ++i) {
    const auto box = queue::box_from(argv[i]);
    if (!box || *box == queue::Box::corrupt)
      tool.fatal(fmt::format("{}: no such queue; there are maildrop, incoming, "
                             "active, deferred and hold",
                             argv[i]));
    options.boxes.push_back(*box);
  }
  if (options.boxes.empty())
    options.boxes = {queue::Box::incoming, queue::Box::active};
  return options;
}

void count(const queue::Stored& message, const Options& options,
           std::int64_t now, QueueShape& shape) {
  const std::int64_t age = now - message.envelope.arrival / 1000000;
  if (options.senders)
    return shape.add(message.envelope.sender, true, age);
  for (const queue::Recipient& r : message.envelope.recipients)
    if (!r.done) shape.add(r.address, false, age);
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  const Options options = read_options(tool, argc, argv);
  const config::Config config = tool.load();
  queue::Spool spool(spool_options(config));
  QueueShape shape(options.rules);
  const std::int64_t now = std::time(nullptr);
  for (const queue::Box box : options.boxes) {
    queue::Names names(spool, box);
    for (;;) {
      const auto some = names.next(names_at_once);
      if (!some) tool.fatal(some.trouble().text);
      if (some->empty()) break;
      for (const std::string& id : *some) {
        if (!queue::valid_id(id)) continue;
        const queue::Spool::Opened opened = spool.open(box, id);
        if (opened.message)
          count(*opened.message, options, now, shape);
        else if (opened.why == queue::Unreadable::trouble)
          tool.warning(opened.text);
      }
    }
  }
  std::fputs(shape.table().c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
