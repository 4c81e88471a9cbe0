// Argon2id (libsodium), the form in which passwords are kept. A check costs
// memory and time on purpose; who does it for strangers bounds how many run at
// once (authd/workers.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::credentials {

struct Cost {
  std::int64_t memory = 64 << 20;  // bytes
  std::int64_t passes = 2;
};

// "$argon2id$v=19$m=65536,t=2,p=1$…". Empty: this memory cannot be had now.
std::string argon2id(std::string_view password, const Cost& cost);
bool argon2id_matches(std::string_view hash, std::string_view password);
// Was it made at another cost than this one?
bool argon2id_outdated(std::string_view hash, const Cost& cost);

// A hash that no password has: for the same work where there is no user.
std::string argon2id_of_nobody(const Cost& cost);

}  // namespace postern::credentials
