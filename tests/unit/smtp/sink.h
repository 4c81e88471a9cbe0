// A scripted SMTP or LMTP server on a port of loopback that the kernel chose,
// or on a socket in the file system.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/loop/stream.h"
#include "common/loop/task.h"

namespace postern::smtp::test {

struct Script {
  std::string banner = "220 mx.test ESMTP";
  // Answer to EHLO and LHLO.
  std::vector<std::string> offers = {"PIPELINING", "8BITMIME", "SIZE 1000000",
                                     "DSN"};
  bool lmtp = false;
  // Listen there instead of on a port.
  std::string path;
  // There is no TLS here: what is offered as STARTTLS ends with the handshake.
  // First match by prefix of the command ("." is the end of the message) wins
  // and is used up when `times` runs out. Reply "close" hangs up, "silence"
  // does not answer; lines of a reply are separated by \n.
  struct Rule {
    std::string prefix;
    std::string reply;
    int times = 1 << 20;
  };
  std::vector<Rule> rules;
};

class Sink {
 public:
  explicit Sink(Script script);
  ~Sink();

  int port() const { return port_; }
  std::string next_hop() const;
  // One per session; commands as they came, message lines after "| ".
  const std::list<std::vector<std::string>>& sessions() const {
    return sessions_;
  }
  // How many bytes the client has sent in how many reads: pipelining shows.
  std::size_t reads() const { return reads_; }
  bool all_ended() const { return serving_.empty(); }

 private:
  void listen_on_port();
  void listen_on_path();
  void accept();
  Task<void> serve(int fd, std::vector<std::string>* told);
  Task<void> converse(Stream* stream, std::vector<std::string>* told);
  std::string answer_to(const std::string& line, std::string otherwise);
  std::string announcement() const;

  Script script_;
  Fd listener_;
  int port_ = 0;
  std::size_t reads_ = 0;
  std::list<std::vector<std::string>> sessions_;
  std::unique_ptr<Watch> watch_;
  Nursery serving_;
};

}  // namespace postern::smtp::test
