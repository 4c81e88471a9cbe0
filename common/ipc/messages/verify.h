// Address verification (ADDRESS_VERIFICATION_README of Postfix): smtpd asks
// lookup whether an address takes mail, lookup sends a probe through the
// queue, qmgr tells lookup what became of it.
#pragma once

#include <cstdint>
#include <string>

#include "common/ipc/wire.h"

namespace postern::ipc {

// What is known of an address.
enum VerifyStatus : std::int64_t {
  verify_todo = 0,         // a probe is under way
  verify_deliverable = 1,
  verify_temporary = 2,    // the probe could not be delivered now
  verify_undeliverable = 3,
};

struct VerifyAnswer {
  std::int64_t status = verify_todo;
  std::string text;  // "host mx.test[192.0.2.1] said: 550 …"
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("verify.answer", field("status", &VerifyAnswer::status),
                   field("text", &VerifyAnswer::text),
                   field("trouble", &VerifyAnswer::trouble));
  }
};

struct VerifyFind {
  using Answer = VerifyAnswer;
  static constexpr bool repeatable = true;
  std::string address;    // internal form, rewritten
  std::int64_t wait = 0;  // milliseconds to wait for a probe's end
  bool smtputf8 = false;
  static constexpr auto wire() {
    return message("verify.find", field("address", &VerifyFind::address),
                   field("wait", &VerifyFind::wait),
                   field("smtputf8", &VerifyFind::smtputf8));
  }
};

struct VerifyNoted {
  bool taken = true;
  static constexpr auto wire() { 
    return message("verify.noted", field("taken", &VerifyNoted::taken));
  }
};

// The end of a probe.
struct VerifyNote {
  using Answer = VerifyNoted;
  static constexpr bool repeatable = true;
  std::string address;  // as the probe had it
  std::int64_t status = verify_todo;
  std::string text;
  static constexpr auto wire() {
    return message("verify.note", field("address", &VerifyNote::address),
                   field("status", &VerifyNote::status),
                   field("text", &VerifyNote::text));
  }
};

}  // namespace postern::ipc
