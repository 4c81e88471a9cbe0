#include "tools/postconf_main.h"

#include <fmt/core.h>

#include <algorithm>

namespace postern::postconf {
namespace {

std::vector<std::string> all_names(const NameSpace& space,
                                   const MainRequest& request) {
  std::vector<std::string> names;
  auto append = [&](std::vector<std::string> more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  if (request.builtin) append(space.builtin());
  if (request.service) append(space.service());
  if (request.user && request.shown != Shown::defaults) append(space.user());
  std::sort(names.begin(), names.end());
  return names;
}

// What the file says, not what becomes of it (myorigin = /etc/mailname).
std::string value_of(const config::Config& config, const std::string& name) {
  auto set = config.settings().find(name);
  if (set != config.settings().end()) return set->second.value;
  std::string value = config.raw(name);
  return name == "myhostname" ? config.expand(value) : value;
}

void explain(const Tool& tool, const config::Config& config,
             const std::string& name) {
  auto origin = config.origin(name);
  std::string from = "initial value";
  if (origin && origin->line > 0)
    from = fmt::format("{}, line {}", origin->file, origin->line);
  else if (origin)
    from = "command line";
  fmt::print(stderr, "{}: {}: {}\n", tool.name(), name, from);
}

bool requested_class(const MainRequest& request, NameClass what) {
  switch (what) {
    case NameClass::builtin: return request.builtin;
    case NameClass::service: return request.service;
    case NameClass::user: return request.user;
    case NameClass::unknown: break;
  }
  return false;
}

}  // namespace

std::string expanded(const Tool& tool, const config::Config& config,
                     std::string_view value) {
  Result<std::string> result = config.try_expand(value);
  if (result) return *result;
  tool.warning(result.trouble().text);
  tool.fatal("macro processing error");
}

void show_main(const Tool& tool, const config::Config& config,
               const NameSpace& space, const MainRequest& request) {
  bool all = request.names.empty();
  for (const std::string& name :
       all ? all_names(space, request) : request.names) {
    NameClass what = space.class_of(name);
    if (!requested_class(request, what)) {
      tool.warning(name + ": unknown parameter");
      continue;
    }
    if (request.shown == Shown::set && !config.is_set(name)) continue;
    std::string value = value_of(config, name);
    const config::Row* row = config::find_row(name);
    bool raw = row && row->kind == config::Kind::raw;
    if (request.expand && !raw) value = expanded(tool, config, value);
    if (request.verbose) explain(tool, config, name);
    std::string text = setting_text(request.style, name, value);
    std::fputs(text.c_str(), stdout);
  }
}

}  // namespace postern::postconf
