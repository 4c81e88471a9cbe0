// The program itself, confined, driven as master drives it.
#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/messages/deliver.h"
#include "common/service/delivery_log.h"
#include "tests/support/daemon_process.h"
#include "tests/unit/smtp/sink.h"

namespace postern::smtp {
namespace {

class Process : public postern::test::DaemonProcess {
 public:
  explicit Process(const std::string& program)
      : DaemonProcess("POSTERN_SMTP", Role::smtp, program) {
    start({{"myhostname", "here.test"}});
  }
  std::string deliver(ipc::Link& from, const std::string& next_hop) {
    ipc::DeliverRequest request;
    request.queue_id = "QID";
    request.nexthop = next_hop;
    request.arrival = request.activated = wall_clock();
    request.recipients.emplace_back();
    request.recipients[0].address = "x@there.test";
    request.message = Fd(::memfd_create("message", MFD_CLOEXEC));
    request.content_size = ::write(request.message.get(), "S: x\n\ntext\n", 11);
    const ipc::DeliverReport report = get(from, std::move(request));
    REQUIRE(report.results.size() == 1);
    return report.results[0].text;
  }
};

TEST_CASE("the confined program delivers by SMTP", "[smtp][process]") {
  Process process("smtp");
  const bool ready = process.await_ready();
  INFO(process.log());
  REQUIRE(ready);
  test::Sink sink{test::Script{}};
  const auto qmgr = process.link(Role::qmgr);
  for (int i = 0; i < 3; ++i)
    CHECK(process.deliver(*qmgr, sink.next_hop()) ==
          "delivery via 127.0.0.1[127.0.0.1]:" + std::to_string(sink.port()) +
              ": 250 2.0.0 Ok: taken");
  CHECK(sink.sessions().back().front() == "EHLO here.test");
  CHECK(process.drain() == 0);
  CHECK(process.log().find("/smtp[") != std::string::npos);
  CHECK(process.log().find("QID: to=<x@there.test>, relay=127.0.0.1[127.0.0.1]"
                           ":") != std::string::npos);
}

TEST_CASE("the confined program delivers by LMTP to a local socket",
          "[lmtp][process]") {
  Process process("lmtp");
  const bool ready = process.await_ready();
  INFO(process.log());
  REQUIRE(ready);
  test::Script script;
  script.lmtp = true;
  script.path = process.directory() + "/socket";
  test::Sink sink{script};
  const auto qmgr = process.link(Role::qmgr);
  CHECK(process.deliver(*qmgr, "unix:socket") ==
        "delivery via here.test[socket]: 250 2.0.0 Ok: taken");
  CHECK(process.deliver(*qmgr, "unix:missing") ==
        "connect to here.test[missing]: No such file or directory");
  CHECK(sink.sessions().front().front() == "LHLO here.test");
  CHECK(process.drain() == 0);
  CHECK(process.log().find("relay=here.test[socket], delay=") !=
        std::string::npos);
}

}  // namespace
}  // namespace postern::smtp
