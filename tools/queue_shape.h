// A table of domains by the age of their mail, as qshape(1) prints it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postern::tools {

struct ShapeRules {
  int buckets = 10;
  int minutes = 5;      // the first bucket's limit
  bool linear = false;  // limits are multiples of it; else each is twice the one before
  int width = 80;
  bool parents = false;       // sums of parent domains too
  int least_subdomains = 5;   // that a parent must have to be shown
  std::size_t most_domains = 100000;  // further ones are one row
};

class QueueShape {
 public:
  explicit QueueShape(ShapeRules rules);

  // One recipient, or the sender of one message, of that age in seconds.
  void add(std::string_view address, bool sender, std::int64_t age);
  // Heading, total, then the domains with the most mail first.
  std::string table() const;

 private:
  struct Row {
    std::vector<std::int64_t> counts;
    std::int64_t total = 0;
    std::int64_t subdomains = 0;
  };
  void count(Row& row, std::size_t bucket);
  std::string line(const std::string& name, const Row& row,
                   const std::vector<std::size_t>& widths) const;
  std::string heading(const std::vector<std::size_t>& widths) const;
  std::vector<std::size_t> widths() const;
  std::size_t name_width(const std::vector<std::size_t>& widths) const;

  ShapeRules rules_;
  std::vector<std::int64_t> limits_;  // minutes; of the last bucket none
  Row total_;
  std::map<std::string, Row, std::less<>> rows_;
};

}  // namespace postern::tools
