// Takes messages in: from smtpd and local over links, from local users out of
// maildrop, and notices that it writes itself. Postfix's cleanup, pickup and
// bounce.
// Next: server.h.
#include "cleanup/server.h"
#include "common/service/service.h"

int main(int argc, char** argv) {
  using namespace postern;
  Service service(Role::cleanup, argc, argv);
  cleanup::Server server(service);
  service.lock();
  server.start();
  return service.run();
}
