// smtpd: the SMTP server. Start reading at server.h.
#include <time.h>

#include "smtpd/server.h"

int main(int argc, char** argv) {
  using namespace postern;
  Service service(Role::smtpd, argc, argv);
  // Times in log lines and headers are local; the zone is a file.
  ::tzset();
  smtpd::Server server(service);
  service.lock();
  server.start();
  return service.run();
}
