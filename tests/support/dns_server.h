// A name server for tests: on a loopback port that the kernel chooses, served
// from the test's own loop.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop/loop.h"
#include "common/os/fd.h"

namespace postern::test {

class DnsServer {
 public:
  // One record or behaviour a line:
  //   example.test A 192.0.2.1        also AAAA, MX, NS, PTR, CNAME, TXT
  //   broken.test SERVFAIL            also REFUSED, TIMEOUT (no answer), NODATA
  // Answers are authoritative and say nothing about caching negative ones.
  // Names with nothing at or below them get NXDOMAIN.
  explicit DnsServer(std::string_view zone);

  // "127.0.0.1@PORT"
  std::string address() const;
  // How many questions have come in.
  int questions() const { return questions_; }

 private:
  struct Line {
    std::string type;
    std::string value;
  };
  void answer_one();
  std::string reply(std::string_view packet);
  void collect(const std::string& name, const std::string& type,
               std::string& answers, int& count);

  std::map<std::string, std::vector<Line>> zone_;
  Fd socket_;
  int port_ = 0;
  int questions_ = 0;
  std::unique_ptr<Watch> watch_;
};

}  // namespace postern::test
