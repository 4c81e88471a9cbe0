// Bounce template files, and notices made from them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/mail/bounce_template.h"
#include "common/mail/dsn_notice.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const TemplateFile file = parse_bounce_templates(text, "file");
  TemplateParameters parameters;
  parameters.value = [](std::string_view) { return std::string("value"); };
  (void)print_expanded(file.templates, parameters, nullptr);
  BounceTemplate whole;
  whole.text = text;
  whole.from = text;
  (void)expand_template(NoticeKind::failure, whole, parameters, nullptr);
  Notice notice;
  notice.recipients.resize(1);
  notice.recipients[0].address = text;
  notice.recipients[0].reason = text;
  compose_notice(
      notice, whole, text, [] { return std::optional<std::string>(); },
      [](std::string_view) {});
  return 0;
}
