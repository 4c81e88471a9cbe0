// qmgr: knows every message of the active queue and decides who is tried when.
// Start reading at Manager (manager.h).
#include "common/service/service.h"
#include "qmgr/manager.h"
#include "qmgr/named_sockets.h"

int main(int argc, char** argv) {
  using namespace postern;
  Service service(Role::qmgr, argc, argv);
  qmgr::Manager manager(service);
  qmgr::NamedSockets sockets(service, manager);
  manager.when_leaving([&sockets] { sockets.stop(); });
  manager.load();
  service.lock();
  manager.start();
  sockets.start();
  return service.run();
}
