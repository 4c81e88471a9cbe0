// A regular expression language: what pattern_table.cc asks of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postern::tables {

// Where a group matched; `begin` npos when it took no part.
struct Capture {
  std::size_t begin = std::string_view::npos;
  std::size_t end = 0;
};

class Expression {
 public:
  virtual ~Expression() = default;
  // Trouble: the engine gave up (limits, memory); its text says why.
  // `captures`, unless null, receives group 0 and up.
  virtual Result<bool> match(std::string_view text,
                             std::vector<Capture>* captures) const = 0;
  virtual unsigned groups() const = 0;
};

struct Engine {
  std::string_view type;  // "regexp", "pcre"
  // How a rule without closing delimiter is named in the warning.
  std::string_view skipping;
  // Trouble: an unknown flag ("unknown regexp option "q": skipping this rule")
  // or a bad pattern; the text follows "FILE, line N: ". Without `captures`
  // nobody will ask for groups, which is faster.
  Result<std::unique_ptr<Expression>> (*compile)(const std::string& pattern,
                                                 std::string_view flags,
                                                 bool captures);
};

extern const Engine regexp_engine;  // POSIX, regexp_table(5)
extern const Engine pcre_engine;    // PCRE2, pcre_table(5)

}  // namespace postern::tables
