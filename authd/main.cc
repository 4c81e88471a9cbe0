// Keeps what nobody who speaks with strangers may hold: passwords and private
// keys. Answers "is this the user's password" and "sign this for the
// handshake". Next: server.h.
#include "authd/server.h"
#include "common/service/service.h"

namespace postern::authd {
namespace {

int run(Service& service) {
  Keys keys(service);
  Server server(keys, service.log());
  service.when_linked(
      [&server](Arrival arrival) { server.take(std::move(arrival.link)); });
  service.when_drained([&service] { service.finished(); });
  service.lock();
  keys.start();
  return service.run();
}

}  // namespace
}  // namespace postern::authd

int main(int argc, char** argv) {
  postern::Service service(postern::Role::authd, argc, argv);
  return postern::authd::run(service);
}
