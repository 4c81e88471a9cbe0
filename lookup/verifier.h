// Whether addresses take mail (verify(8), ADDRESS_VERIFICATION_README): from
// the cache, or by a probe, a message that goes the way of all mail as far as
// the recipient's own server and is not delivered.
// Next: common/access/verification.h (when to probe), probe.h (the message).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/access/verification.h"
#include "common/ipc/messages/verify.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/tables/cache_file.h"

namespace postern::lookup {

using access::Verification;
using access::VerificationRules;

class Verifier {
 public:
  // Puts a probe into the queue.
  using Probe =
      std::function<Task<Status>(std::string address, bool smtputf8)>;

  Verifier(tables::CacheFile cache, VerificationRules rules, Probe probe,
           log::Log log);
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Answers at once, or when the probe has ended or `question.wait` is over.
  Task<ipc::VerifyAnswer> find(ipc::VerifyFind question);
  // The end of a probe.
  ipc::VerifyNoted note(const ipc::VerifyNote& note);

  // Drops what has expired; says how much in the log.
  void clean();

  // Time, for tests: seconds since 1970.
  void set_clock(std::function<std::int64_t()> clock) {
    clock_ = std::move(clock);
  }

 private:
  // Who waits for the end of a probe.
  using Waiting = Promised<ipc::VerifyAnswer>;
  class Place;

  Result<std::optional<Verification>> known(const std::string& address);
  void write(const std::string& address, const Verification& entry);
  Task<void> send(std::string address, bool smtputf8);
  Task<ipc::VerifyAnswer> wait_for(std::string address, Millis limit);

  tables::CacheFile cache_;
  VerificationRules rules_;
  Probe probe_;
  log::Log log_;
  std::function<std::int64_t()> clock_;
  std::multimap<std::string, Waiting*> waiting_;
  Nursery nursery_;
};

}  // namespace postern::lookup
