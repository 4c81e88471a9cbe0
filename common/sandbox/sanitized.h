// Builds with a sanitizer: its run time makes calls of its own (it maps shadow
// memory, reads /proc/self/maps and the names of its files when it reports),
// so in such a build, which is for tests alone, filters also allow these calls
// and the file view also has /proc to read. Opening other files is still
// refused by the file view.
#pragma once

#include <vector>

namespace postern::sandbox {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) ||                                     \
    __has_feature(undefined_behavior_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

inline const std::vector<const char*>& sanitizer_calls() {
  static const std::vector<const char*> calls = {
      "openat", "open",       "readlink", "readlinkat", "newfstatat",
      "stat",   "lstat",      "getcwd",   "mmap",       "mprotect",
      "ioctl",  "getdents64", "prctl",    "tgkill",     "personality",
  };
  return calls;
}

}  // namespace postern::sandbox
