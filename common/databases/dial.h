// A connection to a simple line or length based server: blocking, with a limit
// on each step. For threads and tools; conversations of the loop use
// common/loop/stream.h.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::databases {

struct Endpoint {
  std::string path;  // unix:
  std::string host;  // or these two
  std::string port;

  std::string text() const { return path.empty() ? host + ":" + port : path; }

  // "unix:/path", "inet:host:port"; `plain`: "host:port" too. Trouble says
  // what is expected.
  static Result<Endpoint> parse(std::string_view text, bool plain);
};

class Dialogue {
 public:
  using Limit = std::chrono::milliseconds;
  // Trouble's text is the reason alone ("Connection refused").
  static Result<Dialogue> open(const Endpoint& endpoint, Limit limit);

  Status send(std::string_view data, Limit limit);
  // A line without its end ("\n" or "\r\n"). Trouble: it is longer than
  // `longest`, or does not come.
  Result<std::string> line(std::size_t longest, Limit limit);
  Result<std::string> bytes(std::size_t count, Limit limit);
  // Nothing has come unasked and the peer has not gone.
  bool idle() const;

 private:
  Status fill(std::chrono::steady_clock::time_point end);
  Fd socket_;
  std::string input_;
};

}  // namespace postern::databases
