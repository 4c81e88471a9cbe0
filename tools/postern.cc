// postern: starts, stops and looks after the mail system (postern(1)).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "tools/postern_explain.h"
#include "tools/postern_suite.h"

using namespace postern;
using namespace postern::tools;

namespace {

struct Verb {
  std::string_view name;
  int (*run)(Suite&);
  const char* meaning;
};

constexpr Verb verbs[] = {
    {"start", start, "start the mail system"},
    {"start-fg", start_foreground, "start it and stay in the foreground"},
    {"stop", stop, "stop it, let sessions and deliveries come to an end"},
    {"abort", abort, "stop it at once"},
    {"reload", reload, "read the configuration again"},
    {"flush", flush, "try to deliver all deferred mail now"},
    {"status", status, "tell whether it runs (exit status 0)"},
    {"check", check, "look for mistakes in configuration and directories"},
    {"set-permissions", set_permissions,
     "create directories, set owners and modes"},
    {"logrotate", rotate_log, "put the log file (maillog_file) aside"},
};

// What Postfix's command has a verb for, and this suite something else.
struct Elsewhere {
  std::string_view verb;
  const char* instead;
};

constexpr Elsewhere elsewhere[] = {
    {"upgrade-configuration",
     "nothing needs it: what main.conf and master.conf leave out has its "
     "initial value, and compatibility_level chooses those of older versions; "
     "\"postern check\" tells what is not understood, \"postern "
     "set-permissions\" makes directories that a new version adds"},
    {"tls",
     "keys and certificates are made by openssl(1) or an ACME client and named "
     "in smtpd_tls_chain_files; \"postconf -e smtpd_tls_security_level=may\" "
     "turns TLS on for clients, smtp_tls_security_level for servers"},
};

void print_usage(std::FILE* where) {
  std::fputs("usage: postern [-c config_directory] [-v] verb\n"
             "       postern status --isolation\n"
             "       postern explain [options] RECIPIENT\n"
             "       postern --version\n\n",
             where);
  for (const Verb& each : verbs)
    std::fprintf(where, "  %-16s %s\n", std::string(each.name).c_str(),
                 each.meaning);
  std::fprintf(where, "  %-16s %s\n", "explain",
               "say what would become of an envelope, and why");
}

std::string default_directory() {
  const char* set = std::getenv("MAIL_CONFIG");
  return set == nullptr || *set == '\0' ? "/etc/postern" : set;
}

int run(const std::string& directory, bool verbose, std::string_view verb,
        std::string_view option) {
  const bool isolation = verb == "status" && option == "--isolation";
  for (const Verb& each : verbs) {
    if (each.name != verb || (!option.empty() && !isolation)) continue;
    Suite suite = open_suite(directory);
    suite.verbose = verbose;
    return isolation ? show_isolation(suite) : each.run(suite);
  }
  for (const Elsewhere& each : elsewhere) {
    if (each.verb != verb) continue;
    std::fprintf(stderr, "postern: there is no command %s: %s\n",
                 std::string(verb).c_str(), each.instead);
    return 1;
  }
  std::fprintf(stderr, "postern: unknown command: %s%s%s\n\n",
               std::string(verb).c_str(), option.empty() ? "" : " ",
               std::string(option).c_str());
  print_usage(stderr);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = default_directory();
  bool verbose = false;
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("postern " POSTERN_VERSION);
    return 0;
  }
  int option;
  // "+": the verb has options of its own.
  while ((option = ::getopt(argc, argv, "+c:vDh")) != -1) {
    if (option == 'c') directory = optarg;
    if (option == 'v') verbose = true;
    if (option == 'D') {
      std::fputs("postern: -D: confined processes cannot be traced, so there "
                 "is no debugger_command; the log and strace of a test build "
                 "help\n", stderr);
      return 1;
    }
    if (option == 'h' || option == '?') {
      print_usage(option == 'h' ? stdout : stderr);
      return option == 'h' ? 0 : 1;
    }
  }
  const int words = argc - optind;
  if (words >= 1 && std::strcmp(argv[optind], "explain") == 0) {
    Suite suite = open_suite(directory);
    return explain(suite, {argv + optind + 1, argv + argc});
  }
  if (words < 1 || words > 2) {
    print_usage(stderr);
    return 1;
  }
  const std::string_view verb = argv[optind];
  if (verb == "help") {
    print_usage(stdout);
    return 0;
  }
  return run(directory, verbose, verb, words == 2 ? argv[optind + 1] : "");
}
