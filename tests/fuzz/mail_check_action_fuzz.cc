// Rules of header_checks(5): what is taken for a rule can be carried out.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/check_action.h"
#include "common/mail/header.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view rule(reinterpret_cast<const char*>(data), size);
  for (const bool header : {true, false}) {
    for (const bool while_sending : {true, false}) {
      CheckPlace place;
      place.table = "header_checks";
      place.header = header;
      place.while_sending = while_sending;
      const CheckVerdict verdict = parse_check(rule, place);
      const Check& check = verdict.check;
      const bool writes = check.action == CheckAction::replace ||
                          check.action == CheckAction::prepend;
      require(!writes || !check.text.empty(), "nothing to write");
      require(!writes || !header || header_name_length(check.text) > 0,
              "not a header");
      require(check.action != CheckAction::reject ||
                  (check.status.size() >= 5 &&
                   (check.status[0] == '4' || check.status[0] == '5')),
              "a refusal without status");
      require(check.action != CheckAction::filter ||
                  check.text.find(':') != std::string::npos,
              "a filter without transport");
      require(!while_sending || check.action == CheckAction::dunno || writes ||
                  check.action == CheckAction::ignore ||
                  check.action == CheckAction::strip ||
                  check.action == CheckAction::info ||
                  check.action == CheckAction::warn,
              "too late for that");
    }
  }
  return 0;
}
