// Asks a saslauthd(8) about a name and password. It runs as root so that PAM
// and the shadow file are within its reach and not within ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/loop/task.h"

namespace postern::authd {

struct SaslauthdQuestion {
  std::string user;
  std::string password;
  std::string service;
  std::string realm;
};

// Four texts, each behind its length in two bytes. Empty: one is too long.
std::string saslauthd_request(const SaslauthdQuestion& question);
// nullopt: not all is there yet.
std::optional<std::string> saslauthd_answer(std::string_view bytes);

// True: the password is right. Trouble: it could not be asked, with a text for
// the log. `path` is that of its socket, or of the directory with it ("mux").
Task<Result<bool>> ask_saslauthd(std::string path, SaslauthdQuestion question,
                                 Millis limit);

}  // namespace postern::authd
