// The expression of postqueue --where and postsuper --where: which messages of
// the queue are meant. postqueue(1) describes it.
//
//   sender = "*@example.com" and (age > 2d or reason ~ "timed out") and not hold
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/queue/spool.h"
#include "common/service/tool.h"

namespace postern::tools {

// A message as the expression sees it.
struct Queued {
  struct Recipient {
    std::string address;
    std::string reason;  // why it waits; empty: not tried yet
  };
  std::string queue;
  std::string id;
  std::string sender;  // as the queue's listing shows it; the null sender too
  std::int64_t arrival = 0;       // seconds since 1970
  std::int64_t size = 0;          // bytes
  std::int64_t next_attempt = 0;  // seconds since 1970; 0: not known
  bool expired = false;           // by postsuper -e
  std::vector<Recipient> recipients;  // that are not done
};

// From a line of public/showq. nullopt: that is no such line.
std::optional<Queued> queued_from(std::string_view json);
Queued queued_from(const queue::Stored& message,
                   const queue::Results& results);

struct FilterError {
  std::string text;    // what is wrong
  std::size_t at = 0;  // at which byte of the expression
};
// The expression with a caret below the place, to be printed.
std::string shown(std::string_view expression, const FilterError& error);

class QueueFilter {
 public:
  // nullopt: `error` says why.
  static std::optional<QueueFilter> parse(std::string_view expression,
                                          FilterError& error);
  bool matches(const Queued& message, std::int64_t now) const;

  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

// Of a command line: what is wrong is shown, and ends the program.
QueueFilter filter_or_die(const Tool& tool, std::string_view expression);

}  // namespace postern::tools
