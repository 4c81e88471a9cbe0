// sendmail, mailq and newaliases: the interface to the mail system that local
// programs know. Runs with the caller's rights. sendmail(1).
#include <signal.h>
#include <sysexits.h>

#include <cstdio>

#include "common/service/tool.h"
#include "tools/postdrop_client.h"
#include "tools/sendmail_options.h"
#include "tools/sendmail_submit.h"
#include "tools/table_tool.h"

using namespace postern;
using namespace postern::tools;

namespace {

void rebuild_aliases(const Tool& tool, const config::Config& config,
                     const SendmailOptions& options) {
  const config::Config chosen =
      options.alias_database.empty()
          ? config
          : config.with_overrides({{"alias_database", options.alias_database}});
  const Status done = run_newaliases(
      chosen, [&](std::string_view text) { tool.warning(text); });
  if (!done) tool.fatal(done.trouble().text);
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  // Mailers try again after this status, whatever went wrong: nothing that is
  // wrong here is wrong with the message.
  tool.fail_with(EX_TEMPFAIL);
  ::signal(SIGPIPE, SIG_IGN);
  const SendmailOptions options = read_sendmail_options(tool, argc, argv);
  if (!options.directory.empty()) tool.use_directory(options.directory);
  const config::Config config = tool.load_and_log();
  switch (options.mode) {
    case SendmailMode::deliver:
    case SendmailMode::verify:
      submit_message(tool, config, options);
      break;
    case SendmailMode::smtp:
      serve_smtp(tool, config);
      break;
    case SendmailMode::aliases:
      // Not mail: the status of postalias(1).
      tool.fail_with(1);
      rebuild_aliases(tool, config, options);
      break;
    case SendmailMode::list_queue:
      run_instead(config, "postqueue", {"-p"});
    case SendmailMode::flush:
      run_instead(config, "postqueue", {"-f"});
    case SendmailMode::flush_site:
      run_instead(config, "postqueue", {"-s", options.flush_what});
    case SendmailMode::flush_id:
      run_instead(config, "postqueue", {"-i", options.flush_what});
    case SendmailMode::nothing:
      break;
    case SendmailMode::start:
      run_instead(config, "postern", {"start"});
  }
  return std::fflush(stdout) == 0 ? 0 : EX_IOERR;
}
