// Questions to the name servers, through libunbound's event interface on our
// own loop: its cache, its retries, TCP where an answer is long.
//
// Questions are forwarded to the servers given, as a stub resolver does; names
// are taken as complete (no search list). Nothing blocks.
//
// There are two sides with caches of their own. The plain one believes what
// the servers say. The validating one checks signatures itself, from the trust
// anchors down (RFC 4035): it never goes by the AD bit of a server, and an
// answer that is forged or cannot be checked though it ought to is a failure.
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
  bool secure = false;  // validated by DNSSEC; the absence of records too
  // Of the type asked for; those of an alias's target count (RFC 1034 3.6.2).
  std::vector<Record> records;
  std::string fault;  // why it could not be validated, for people

  bool ok() const { return outcome == Outcome::ok; }
};

// What a reply in wire form says about `type`.
Answer read_answer(std::string_view packet, Type type);

struct ResolverOptions {
  // dns_servers, see server_from(). Empty: those of `resolv_conf`, which is
  // read again when it changes.
  std::vector<std::string> servers;
  std::string resolv_conf = "/etc/resolv.conf";
  // dns_trust_anchor_file: DS or DNSKEY records, one a line. Empty: the keys
  // of the root zone that IANA has published. Read when the first question
  // wants validation.
  std::string trust_anchor_file;
};

// What an answer must be.
enum class Proof {
  none,    // as the name servers say
  dnssec,  // validated, or known to lie outside of what is signed
};

// The records of a trust anchor file, comments and blank lines left out.
// Trouble: a line is neither a DS nor a DNSKEY record, or there is none.
Result<std::vector<std::string>> parse_trust_anchors(std::string_view text);

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
  Task<Answer> find(std::string name, Type type, Millis limit,
                    Proof proof = Proof::none);

 private:
  class Context;
  class Query;
  explicit Resolver(ResolverOptions options);
  // One of the two, with the servers it was made for.
  struct Side {
    Proof proof = Proof::none;
    FileStamp stamp;
    Clock::time_point checked{};
    std::shared_ptr<Context> context;
  };
  Status open(Side& side, const std::vector<std::string>& servers);
  Result<std::shared_ptr<Context>> current(Side& side);

  ResolverOptions options_;
  std::vector<std::string> fixed_servers_;  // of options_.servers
  Side plain_{Proof::none, {}, {}, {}};
  Side validating_{Proof::dnssec, {}, {}, {}};
};

}  // namespace postern::dns
