// A line for the mail log as tools send it to postlogd (common/log): one
// datagram "SEVERITY PID TAG TEXT". From whoever may reach the socket, so
// nothing in it is believed but the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/log/log.h"

namespace postern::tools {

struct LogDatagram {
  log::Severity severity = log::Severity::info;
  long pid = 0;
  std::string tag;
  std::string text;
};

// nullopt: not of that form.
std::optional<LogDatagram> parse_log_datagram(std::string_view bytes);

// The severities that postlog -p names.
std::optional<log::Severity> severity_from(std::string_view name);

}  // namespace postern::tools
