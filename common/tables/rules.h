// What tables of rules (regexp:, pcre:, cidr:) share: if/endif nesting and the
// way through it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/tables/table.h"

namespace postern::tables {

// The text of a rule table: the file, or with "{ {rule} … }" as its name the
// rules themselves.
Result<std::string> rule_text(const Spec& spec);

// Warns as "TYPE map NAME, line N: TEXT".
class RuleWarnings {
 public:
  RuleWarnings(const Spec& spec, const Warn& warn)
      : title_(spec.type + " map " + spec.name), warn_(warn) {}
  void operator()(int line, std::string_view text) const {
    if (warn_)
      warn_(title_ + ", line " + std::to_string(line) + ": " +
            std::string(text));
  }

 private:
  std::string title_;
  const Warn& warn_;
};

// Each rule has `line`, and `skip`: for an if, the index of the rule after its
// endif.
class Nesting {
 public:
  void open(std::size_t index, int line) { open_.push_back({index, line}); }
  // The index of the if that an endif closes; false: there is none.
  bool close(std::size_t& index) {
    if (open_.empty()) return false;
    index = open_.back().index;
    open_.pop_back();
    return true;
  }
  struct Open {
    std::size_t index;
    int line;
  };
  // Innermost last.
  const std::vector<Open>& unclosed() const { return open_; }

 private:
  std::vector<Open> open_;
};

// Takes a leading word "if" or "endif" (any case) off a line. `separator`:
// characters that may follow it directly.
bool take_word(std::string_view& line, std::string_view word);

}  // namespace postern::tables
