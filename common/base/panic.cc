#include "common/base/panic.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace postern {
namespace {

PanicHook panic_hook = nullptr;

}  // namespace

void set_panic_hook(PanicHook hook) { panic_hook = hook; }

void panic(std::string_view message) {
  if (panic_hook != nullptr) panic_hook(message);
  const std::string line = "panic: " + std::string(message) + "\n";
  [[maybe_unused]] const ssize_t n =
      ::write(STDERR_FILENO, line.data(), line.size());
  std::abort();
}

}  // namespace postern
