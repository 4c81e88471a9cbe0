// The vocabulary of system call grants: a profile names a handful of these
// words, and each stands for a list of system calls, some of them only with
// certain arguments. A call that no granted word lists is refused.
// Next: profiles.h (who is granted what), filter.h (how it is enforced).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace postern::sandbox {

enum class Grant {
  base,            // memory, time, descriptors already held, own death
  event_loop,      // wait for descriptors and timers
  links,           // messages and descriptors over sockets already held
  log,             // datagrams to a named log socket, by a socket held
  accept,          // take connections from listeners already held
  connect_stream,  // make stream connections, Internet and local
  connect_local,   // make stream connections to named sockets of this host
  stream_pairs,    // make pairs of connected sockets, to hand one on
  ask_dns,         // datagram sockets to name servers
  files_read,      // open for reading, look at names and attributes
  files_write,     // create, write, sync, rename, remove
  hard_links,      // link(2), for the lock files of mailboxes
  file_locks,      // fcntl and flock locks
  name_service,    // load code at run time: nss modules
  threads,         // more threads of this process, never another process
  unconfined,      // no filter: what the operating system gives the user
};

// Holds when (argument & mask) == value. `value` own_process stands for the
// process id of the process that the filter is made in.
struct Condition {
  unsigned argument;
  std::uint64_t mask;
  std::uint64_t value;
};
inline constexpr std::uint64_t own_process = ~std::uint64_t{0};
inline constexpr std::uint64_t all_bits = ~std::uint64_t{0};

// One call, allowed when all conditions hold.
struct Call {
  const char* name;
  std::vector<Condition> when;
};

struct Word {
  Grant grant;
  const char* name;
  const char* meaning;  // one line for docs/processes.md
  std::vector<Call> calls;
};

// All words, in the order of Grant.
const std::vector<Word>& vocabulary();
const Word& word(Grant grant);

// Calls that no process of the suite can ever have a reason for: who makes one
// has been taken over, and is killed at once rather than refused.
const std::vector<const char*>& deadly_calls();

// A refusal that is not EPERM, for calls where the C library or ours reads
// meaning into the number.
struct Refusal {
  const char* name;
  int error_number;
};
const std::vector<Refusal>& special_refusals();

}  // namespace postern::sandbox
