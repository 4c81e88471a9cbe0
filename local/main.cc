// local: the delivery agent for mailboxes on this machine. Serves the rows of
// local, virtual, pipe and spawn; docs/processes.md says what it may do.
// Next: agent.h.
#include "common/service/service.h"
#include "local/agent.h"

int main(int argc, char** argv) {
  postern::Service service(postern::Role::local, argc, argv);
  postern::local::Agent agent(service);
  service.lock();
  return service.run();
}
