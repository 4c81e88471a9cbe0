// The texts of delivery status notifications and the file that replaces them
// (bounce(5), bounce_template_file).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postern::mail {

enum class NoticeKind : std::uint8_t { failure, delay, success, verify };

// "failure", "delay"...
std::string_view to_text(NoticeKind kind);

struct BounceTemplate {
  std::string charset = "us-ascii";
  std::string from;  // an address without domain may be in it
  std::string subject;
  std::string postmaster_subject;     // "" where no copies are made
  std::string text;                   // before expansion; lines end in "\n"
  std::string source = "[built-in]";  // the file it is from
};

struct BounceTemplates {
  std::array<BounceTemplate, 4> templates;  // by NoticeKind

  const BounceTemplate& of(NoticeKind kind) const {
    return templates[static_cast<std::size_t>(kind)];
  }
};

BounceTemplates built_in_templates();

struct TemplateFile {
  BounceTemplates templates;
  std::vector<std::string> warnings;
};
// What the file does not replace, or replaces by something that cannot be
// used (a warning says which and why), stays built in.
TemplateFile parse_bounce_templates(std::string_view text,
                                    std::string_view file_name);

struct TemplateParameters {
  // The value of a main.cf parameter; nullopt: no such parameter.
  std::function<std::optional<std::string>(std::string_view name)> value;
  std::int64_t delay_warning_time = 0;      // seconds
  std::int64_t maximal_queue_lifetime = 0;  // seconds
};

// The text with $name, ${name}, $(name), ${name?text} (if not empty),
// ${name:text} (if empty) and $$ expanded; delay_warning_time and
// maximal_queue_lifetime also with "_seconds" to "_weeks". Trouble: bad syntax
// or an unknown name. `warnings` tells of units that do not suit the time.
Result<std::string> expand_template(NoticeKind kind, const BounceTemplate& from,
                                    const TemplateParameters& parameters,
                                    std::vector<std::string>* warnings);

// All templates in the syntax of the file (postconf -t).
std::string print_templates(const BounceTemplates& templates);

// All texts as they are sent (postconf -b).
Result<std::string> print_expanded(const BounceTemplates& templates,
                                   const TemplateParameters& parameters,
                                   std::vector<std::string>* warnings);

}  // namespace postern::mail
