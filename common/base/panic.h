// Our own bugs end the process at once: code for "cannot happen" would never
// be tested (panic). Errors of the operator or of the machine end it with one
// clear line (fatal, in common/log/log.h).
#pragma once

#include <string_view>

namespace postern {

// Writes the message to standard error and the log hook, then aborts.
[[noreturn]] void panic(std::string_view message);

// Called by panic before it aborts; set once by common/log. Must not throw.
using PanicHook = void (*)(std::string_view message);
void set_panic_hook(PanicHook hook);

// States an invariant; a broken one is a panic.
inline void require(bool invariant, std::string_view message) {
  if (!invariant) panic(message);
}

}  // namespace postern
