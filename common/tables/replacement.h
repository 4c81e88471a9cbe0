// The right-hand side of a pattern rule: text with $1, ${1}, $(1) and $$.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tables/engine.h"

namespace postern::tables {

class Replacement {
 public:
  // Trouble's text lists the complaints, one a line.
  static Result<Replacement> parse(std::string_view text);

  // The largest group number used; 0: none.
  unsigned highest_group() const { return highest_; }

  std::string fill(std::string_view subject,
                   const std::vector<Capture>& captures) const;

 private:
  struct Piece {
    std::string text;
    unsigned group = 0;  // 0: only text
  };
  std::vector<Piece> pieces_;
  unsigned highest_ = 0;
};

}  // namespace postern::tables
