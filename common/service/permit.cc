#include "common/service/permit.h"

#include "common/base/text.h"

namespace postern {
namespace {

struct Text {
  const char* name;
  std::string Permit::*member;
};

constexpr Text texts[] = {
    {"tag", &Permit::tag},
    {"facility", &Permit::facility},
    {"user", &Permit::user},
    {"home", &Permit::home},
    {"shell", &Permit::shell},
    {"path", &Permit::path},
    {"forward_path", &Permit::forward_path},
    {"forward_filter", &Permit::forward_filter},
    {"list", &Permit::list},
    {"outer_list", &Permit::outer_list},
    {"origin", &Permit::origin},
    {"command", &Permit::command},
    {"shell_words", &Permit::shell_words},
    {"program", &Permit::program},
    {"directory", &Permit::directory},
    {"queue_directory", &Permit::queue_directory},
    {"directory_filter", &Permit::directory_filter},
    {"environment_filter", &Permit::environment_filter},
};

bool take(Permit& permit, const std::string& name, const std::string& value) {
  for (const Text& each : texts)
    if (name == each.name) {
      permit.*each.member = value;
      return true;
    }
  if (name == "log_file") {
    permit.log_file = value == "yes";
  } else if (name == "allow_degraded") {
    permit.allow_degraded = value == "yes";
  } else if (name == "time_limit") {
    permit.time_limit = parse_number(value).value_or(0);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> Permit::arguments() const {
  std::vector<std::string> words;
  for (const Text& each : texts)
    if (!(this->*each.member).empty())
      words.push_back(std::string(each.name) + "=" + this->*each.member);
  if (log_file) words.emplace_back("log_file=yes");
  if (allow_degraded) words.emplace_back("allow_degraded=yes");
  if (time_limit > 0)
    words.push_back("time_limit=" + std::to_string(time_limit));
  return words;
}

Result<Permit> Permit::parse(const std::vector<std::string>& arguments) {
  Permit permit;
  for (const std::string& word : arguments) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos ||
        !take(permit, word.substr(0, equals), word.substr(equals + 1)))
      return give_up("3.5", "unknown argument " + word);
  }
  return permit;
}

}  // namespace postern
