#include "tools/sendmail_options.h"

#include <fmt/core.h>
#include <getopt.h>

#include "common/base/text.h"
#include "common/mail/path.h"
#include "common/mail/verp.h"
#include "common/os/files.h"
#include "tools/submission.h"

namespace postern::tools {
namespace {

SendmailMode mode_of(const Tool& tool, std::string_view letter) {
  if (letter == "m") return SendmailMode::deliver;
  if (letter == "v") return SendmailMode::verify;
  if (letter == "p") return SendmailMode::list_queue;
  if (letter == "i") return SendmailMode::aliases;
  if (letter == "s") return SendmailMode::smtp;
  if (letter == "d" || letter == "l") return SendmailMode::start;
  // Sendmail's host status database, which nothing here has.
  if (letter == "h" || letter == "H") return SendmailMode::nothing;
  tool.fatal(fmt::format("unsupported: -b{}", letter));
}

void read_queue_option(const Tool& tool, std::string_view what,
                       SendmailOptions& options) {
  if (what.empty()) {
    options.mode = SendmailMode::flush;
  } else if (is_digit(what[0])) {
    // How often the queue is looked through is queue_run_delay's matter; with
    // -bd the suite is started all the same.
    if (options.mode == SendmailMode::deliver)
      options.mode = SendmailMode::nothing;
  } else if (what[0] == 'R') {
    options.mode = SendmailMode::flush_site;
    options.flush_what = what.substr(1);
    if (what.size() == 1) tool.fatal("specify: -qRsitename");
  } else if (what[0] == 'I') {
    options.mode = SendmailMode::flush_id;
    options.flush_what = what.substr(1);
    if (what.size() == 1) tool.fatal("specify: -qIqueueid");
  } else {
    tool.fatal(fmt::format("-q{} is not implemented", what[0]));
  }
}

std::int64_t read_notify(const Tool& tool, const std::string& value) {
  std::string unknown;
  const std::optional<mail::Notify> notify =
      mail::parse_notify(value, &unknown);
  if (!notify) {
    if (!unknown.empty())
      tool.warning(
          fmt::format("unknown DSN NOTIFY command value \"{}\" in \"{}\"",
                      unknown, value));
    tool.warning("bad -N option value -- ignored");
    return 0;
  }
  return notify_bits(*notify);
}

std::string read_return(const Tool& tool, const std::string& value) {
  if (const auto ret = mail::parse_ret(value))
    return *ret == mail::Return::full ? "FULL" : "HDRS";
  tool.warning("bad -R option value -- ignored");
  return {};
}

std::string read_body(const Tool& tool, const std::string& value) {
  const auto body = mail::parse_body(value);
  if (!body) tool.fatal("-B option needs 8BITMIME or 7BIT");
  return *body == mail::Body::seven_bit ? "7bit" : "8bit";
}

// The set of Sendmail's one-letter -o options that mean something here; the
// others chose how Sendmail works inside.
void read_set_option(std::string_view what, SendmailOptions& options) {
  if (what == "i") options.dot_ends = false;
  if (what.starts_with('A')) options.alias_database = what.substr(1);
}

// -V once had the meaning of -XV: in front of another option, or with two
// delimiters.
void read_envelope_id(const Tool& tool, const std::string& value,
                      SendmailOptions& options) {
  if (!value.empty() && !mail::verp_complaint(value, "-=+").empty()) {
    options.envid = value;
    return;
  }
  tool.warning(fmt::format(
      "option -V{0} is deprecated with Postfix 2.3; specify -XV{0} instead",
      value));
  options.verp = value;
}

// The file main.conf, or its directory.
std::string directory_of_option(const std::string& value) {
  const std::string last = os::base_name(value);
  return last == "main.conf" || last == "main.cf" ? os::directory_of(value)
                                                  : value;
}

void check(const Tool& tool, const SendmailOptions& options) {
  const bool delivers = options.mode == SendmailMode::deliver ||
                        options.mode == SendmailMode::verify;
  if (options.header_recipients && options.mode != SendmailMode::deliver)
    tool.fatal("-t can be used only in delivery mode");
  if (options.mode == SendmailMode::verify && options.verbose > 0)
    tool.fatal("-v option cannot be used with -bv");
  if (delivers || options.arguments.empty()) return;
  switch (options.mode) {
    case SendmailMode::list_queue:
      tool.fatal("display queue mode requires no recipient");
    case SendmailMode::aliases:
      tool.fatal("alias initialization mode requires no recipient");
    case SendmailMode::smtp:
      tool.fatal("stand-alone mode requires no recipient");
    case SendmailMode::start:
      tool.fatal("daemon mode requires no recipient");
    case SendmailMode::nothing:
      break;
    default:
      tool.fatal("flush queue mode requires no recipient");
  }
}

}  // namespace

SendmailOptions read_sendmail_options(Tool& tool, int argc, char** argv) {
  SendmailOptions options;
  if (tool.name() == "mailq") options.mode = SendmailMode::list_queue;
  if (tool.name() == "newaliases") options.mode = SendmailMode::aliases;
  if (tool.name() == "rmail") {
    options.uucp = true;
    options.dot_ends = false;
  }
  int option = 0;
  while ((option = ::getopt(
              argc, argv,
              "+A:B:C:F:GIL:N:O:R:UV::X:b:ce:f:h:imno:p:r:q::tvx")) != -1) {
    const std::string value = optarg != nullptr ? optarg : "";
    switch (option) {
      case 'b': options.mode = mode_of(tool, value); break;
      case 'q': read_queue_option(tool, value, options); break;
      case 'I': options.mode = SendmailMode::aliases; break;
      case 'C': options.directory = directory_of_option(value); break;
      case 'F': options.full_name = value; break;
      case 'f':
      case 'r': options.sender = value; break;
      case 'i': options.dot_ends = false; break;
      case 't': options.header_recipients = true; break;
      case 'v': ++options.verbose; break;
      case 'G': options.gateway = true; break;
      case 'o': read_set_option(value, options); break;
      case 'B': options.body = read_body(tool, value); break;
      case 'N': options.notify = read_notify(tool, value); break;
      case 'R': options.ret = read_return(tool, value); break;
      case 'V':
        if (optarg == nullptr && optind < argc && argv[optind][0] != '-')
          options.envid = argv[optind++];
        else
          read_envelope_id(tool, value, options);
        break;
      case 'n': tool.fatal("-n option not supported");
      case 'X':
        if (!value.starts_with('V'))
          tool.fatal(fmt::format("unsupported: -X{}", value.substr(0, 1)));
        options.verp = value.substr(1);
        break;
      case '?': tool.fatal("usage: " + tool.name() + " [options]");
      default: break;  // -A -L -O -U -c -e -h -m -p -x: sendmail(1)
    }
  }
  for (int i = optind; i < argc; ++i) options.arguments.emplace_back(argv[i]);
  check(tool, options);
  return options;
}

}  // namespace postern::tools
