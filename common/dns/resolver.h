// Questions to the name servers, through libunbound's event interface on our
// own loop: its cache, its retries, TCP where an answer is long.
//
// Questions are forwarded to the servers given, as a stub resolver does; names
// are taken as complete (no search list). Nothing blocks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/message.h"
#include "common/dns/names.h"
#include "common/dns/system_files.h"
#include "common/loop/task.h"

namespace postern::dns {

struct Answer {
  Outcome outcome = Outcome::servfail;
  bool secure = false;  // validated by DNSSEC
  // Of the type asked for; those of an alias's target count (RFC 1034 3.6.2).
  std::vector<Record> records;

  bool ok() const { return outcome == Outcome::ok; }
};

// What a reply in wire form says about `type`.
Answer read_answer(std::string_view packet, Type type);

struct ResolverOptions {
  // dns_servers, see server_from(). Empty: those of `resolv_conf`, which is
  // read again when it changes.
  std::vector<std::string> servers;
  std::string resolv_conf = "/etc/resolv.conf";
};

class Resolver {
 public:
  // The loop of this thread must exist and outlive the resolver. Trouble: a
  // server's address does not parse.
  static Result<std::unique_ptr<Resolver>> make(ResolverOptions options);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Outcome::timeout when `limit` has passed. A question that nobody waits for
  // any more goes on in the background, and its answer is remembered.
  Task<Answer> find(std::string name, Type type, Millis limit);

 private:
  class Context;
  class Query;
  explicit Resolver(ResolverOptions options);
  Status open(const std::vector<std::string>& servers);
  std::shared_ptr<Context> current();

  ResolverOptions options_;
  FileStamp stamp_;
  Clock::time_point checked_{};
  std::shared_ptr<Context> context_;
};

}  // namespace postern::dns
