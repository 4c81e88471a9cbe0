// postcat: shows queue files. Whoever may read them may see them. postcat(1).
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/os/files.h"
#include "common/queue/queue_id.h"
#include "common/queue/spool.h"
#include "common/service/tool.h"
#include "tools/queue_file_print.h"
#include "tools/spool_options.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr const char* usage =
    "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record "
    "type)] [-e (envelope records)] [-h (header text)] [-o (offsets)] "
    "[-q (access queue)] [-r (file order)] [-v] [file(s)...]";

void show(const Tool& tool, int fd, const std::string& name,
          const PrintRules& rules) {
  const Status done =
      print_queue_file(fd, name, rules, [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
      });
  std::fflush(stdout);
  if (!done)
    tool.warning(done.trouble().temporary()
                     ? done.trouble().text
                     : name + ": " + done.trouble().text);
}

// A pipe cannot be read twice.
void show_input(const Tool& tool, const PrintRules& rules) {
  const Fd copy(::memfd_create("postcat", MFD_CLOEXEC));
  if (!copy) tool.fatal("make a file: " + os::error_text(errno));
  char buffer[65536];
  bool any = false;
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) tool.fatal("read standard input: " + os::error_text(errno));
    if (n == 0) break;
    any = true;
    const Status written = os::write_all(
        copy.get(), std::string_view(buffer, static_cast<std::size_t>(n)),
        "copy of standard input");
    if (!written) tool.fatal(written.trouble().text);
  }
  if (any) show(tool, copy.get(), "stdin", rules);
}

void show_file(const Tool& tool, const std::string& path,
               const std::string& name, const PrintRules& rules) {
  const Result<Fd> file = os::open_file(path, O_RDONLY | O_NOCTTY);
  if (!file) tool.fatal(file.trouble().text);
  show(tool, file->get(), name, rules);
}

// A message moves while it is looked for: twice through all boxes.
void show_queued(const Tool& tool, const queue::Spool& spool,
                 const std::string& id, const PrintRules& rules) {
  if (!queue::valid_id(id)) {
    if (id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz") !=
            std::string::npos ||
        id.empty())
      tool.fatal("bad mail queue ID: " + id);
    tool.fatal("open queue file " + id + ": " + os::error_text(ENOENT));
  }
  int error = ENOENT;
  for (int round = 0; round < 2; ++round)
    for (const queue::Box box :
         {queue::Box::incoming, queue::Box::active, queue::Box::deferred,
          queue::Box::hold, queue::Box::maildrop, queue::Box::corrupt}) {
      const std::string path = spool.path(box, id);
      const Fd file(::open(path.c_str(),
                           O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
      if (file)
        return show(tool, file.get(),
                    path.substr(spool.directory().size() + 1), rules);
      if (errno != ENOENT) error = errno;
    }
  tool.fatal("open queue file " + id + ": " + os::error_text(error));
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  PrintRules rules;
  bool envelope = false, header = false, body = false, queued = false;
  int option = 0;
  while ((option = ::getopt(argc, argv, "bc:dehoqrv")) != -1) {
    switch (option) {
      case 'b': body = true; break;
      case 'c': tool.use_directory(optarg); break;
      case 'd': rules.types = true; break;
      case 'e': envelope = true; break;
      case 'h': header = true; break;
      case 'o': rules.offsets = true; break;
      case 'q': queued = true; break;
      case 'r': rules.file_order = true; break;
      case 'v': rules.verbose = true; break;
      default: tool.fatal(usage);
    }
  }
  if (envelope || header || body) {
    rules.envelope = envelope;
    rules.header = header;
    rules.body = body;
  }
  const config::Config config = tool.load();
  const queue::Spool spool(spool_options(config));
  if (optind == argc && !queued) show_input(tool, rules);
  for (int i = optind; i < argc; ++i) {
    if (queued)
      show_queued(tool, spool, argv[i], rules);
    else
      show_file(tool, argv[i], argv[i], rules);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
