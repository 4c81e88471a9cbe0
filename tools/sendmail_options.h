// The command line of sendmail, mailq, newaliases and rmail (sendmail(1)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/service/tool.h"

namespace postern::tools {

enum class SendmailMode {
  deliver,     // -bm: a message on standard input
  verify,      // -bv: what would happen to one
  list_queue,  // -bp, mailq
  aliases,     // -bi, -I, newaliases
  smtp,        // -bs
  start,       // -bd
  nothing,     // -q30m alone
  flush,       // -q
  flush_site,  // -qR
  flush_id,    // -qI
};

struct SendmailOptions {
  SendmailMode mode = SendmailMode::deliver;
  std::string directory;  // -C; empty: not given
  std::optional<std::string> sender;     // -f, -r
  std::optional<std::string> full_name;  // -F
  std::string flush_what;
  std::string alias_database;  // -oA; empty: that of main.conf
  std::string body;            // -B
  std::string envid;           // -V
  std::string ret;             // -R
  // -XV: delimiters, empty for those of main.conf.
  std::optional<std::string> verp;
  std::int64_t notify = 0;     // -N, ipc::Notify bits
  bool dot_ends = true;        // not with -i
  bool header_recipients = false;  // -t
  bool gateway = false;            // -G
  bool uucp = false;               // rmail: the text says who sent it
  int verbose = 0;                 // -v, how often
  std::vector<std::string> arguments;
};

// Ends the program for what cannot be; warns of what is left out.
SendmailOptions read_sendmail_options(Tool& tool, int argc, char** argv);

}  // namespace postern::tools
