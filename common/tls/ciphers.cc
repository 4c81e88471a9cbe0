#include "common/tls/ciphers.h"

#include "common/base/text.h"

namespace postern::tls {
namespace {

const std::string* list_of(const CipherGrades& grades, std::string_view grade) {
  if (equal_nocase(grade, "high")) return &grades.high;
  if (equal_nocase(grade, "medium")) return &grades.medium;
  if (equal_nocase(grade, "low")) return &grades.low;
  if (equal_nocase(grade, "export")) return &grades.exported;
  if (equal_nocase(grade, "null")) return &grades.null;
  return nullptr;
}

}  // namespace

Result<std::string> cipher_list(const CipherGrades& grades,
                                std::string_view grade,
                                std::string_view exclusions) {
  const std::string* list = list_of(grades, trim(grade));
  if (list == nullptr)
    return give_up("3.5", "\"" + std::string(grade) +
                              "\" is no cipher grade; the grades are high, "
                              "medium, low, export and null");
  std::string out(trim(*list));
  for (const std::string& word : split_words(exclusions, ", \t\r\n:")) {
    if (word.find_first_of("!+-@") == 0)
      return give_up("3.5", "\"" + word +
                                "\" is no cipher to exclude; write the name "
                                "alone, without \"" +
                                word.substr(0, 1) + "\"");
    out += ":!" + word;
  }
  return out;
}

}  // namespace postern::tls
