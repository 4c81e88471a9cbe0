#include "local/exit_status.h"

#include <sys/wait.h>
#include <sysexits.h>

#include <optional>
#include <string_view>
#include <utility>

#include "common/base/text.h"
#include "common/mail/status.h"

namespace postern::local {
namespace {

struct Meaning {
  int status;
  const char* dsn;
  const char* text;
};

constexpr Meaning meanings[] = {
    {EX_USAGE, "5.3.0", "command line usage error"},
    {EX_DATAERR, "5.6.0", "data format error"},
    {EX_NOINPUT, "5.3.0", "cannot open input"},
    {EX_NOUSER, "5.1.1", "user unknown"},
    {EX_NOHOST, "5.1.2", "host name unknown"},
    {EX_UNAVAILABLE, "5.3.0", "service unavailable"},
    {EX_SOFTWARE, "5.3.0", "internal software error"},
    {EX_OSERR, "4.3.0", "system resource problem"},
    {EX_OSFILE, "5.3.0", "critical OS file missing"},
    {EX_CANTCREAT, "5.2.0", "can't create user output file"},
    {EX_IOERR, "5.3.0", "input/output error"},
    {EX_TEMPFAIL, "4.3.0", "temporary failure"},
    {EX_PROTOCOL, "5.5.0", "remote error in protocol"},
    {EX_NOPERM, "5.7.0", "permission denied"},
    {EX_CONFIG, "5.3.5", "local configuration error"},
};

const Meaning* meaning_of(int code) {
  for (const Meaning& each : meanings)
    if (each.status == code) return &each;
  return nullptr;
}

Trouble trouble_of(std::string_view dsn, std::string text) {
  const Lasting lasting =
      dsn.front() == '4' ? Lasting::temporary : Lasting::permanent;
  return {lasting, std::string(dsn.substr(2)), std::move(text)};
}

// "Command died with status 99: "/x"" and what it said.
std::string died(const std::string& how, const std::string& command,
                 const std::string& output) {
  std::string text = how + ": \"" + command + "\"";
  if (!output.empty()) text += ". Command output: " + output;
  return text;
}

// Output that begins with "4.x.x" or "5.x.x".
std::optional<Trouble> told(const std::string& output) {
  const std::string_view text = output;
  const std::size_t length = mail::status_length(text);
  if (length == 0 || text.front() == '2') return std::nullopt;
  return trouble_of(text.substr(0, length),
                    std::string(trim_left(text.substr(length))));
}

}  // namespace

std::string output_line(const std::string& output) {
  return printable_utf8(replace_all(output, "\n", " "), '_');
}

std::string said_by_program(const ipc::RunAnswer& ended) {
  if (ended.trouble.present) return "";
  const std::string output = output_line(ended.output);
  if (std::optional<Trouble> said = told(output)) return said->text;
  if (!output.empty()) return output;
  const int status = static_cast<int>(ended.status);
  if (ended.timed_out) return "time limit exceeded";
  if (WIFSIGNALED(status))
    return "killed by signal " + std::to_string(WTERMSIG(status));
  if (const Meaning* known = meaning_of(WEXITSTATUS(status)))
    return known->text;
  return "unknown mail system error " + std::to_string(WEXITSTATUS(status));
}

Status judge_exit(const ipc::RunAnswer& ended, const std::string& command) {
  if (ended.trouble.present) return ended.trouble.trouble();
  const std::string output = output_line(ended.output);
  const int status = static_cast<int>(ended.status);
  if (ended.timed_out)
    return trouble_of(
        "5.3.0", died("Command time limit exceeded", command, output));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFSIGNALED(status))
    return trouble_of("4.3.0", died("Command died with signal " +
                                        std::to_string(WTERMSIG(status)),
                                    command, output));
  if (std::optional<Trouble> said = told(output)) return std::move(*said);
  const int code = WEXITSTATUS(status);
  if (const Meaning* known = meaning_of(code))
    return trouble_of(known->dsn, output.empty() ? known->text
                                                 : std::string(known->text) +
                                                       ". Command output: " +
                                                       output);
  return trouble_of("5.3.0",
                    died("Command died with status " + std::to_string(code),
                         command, output));
}

}  // namespace postern::local
