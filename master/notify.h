// Telling systemd how the service is (sd_notify(3)): a datagram to the socket
// that NOTIFY_SOCKET names.
#pragma once

#include <string>

namespace postern::master {

class Notifier {
 public:
  // Reads NOTIFY_SOCKET and removes it from the environment. Without it
  // nothing is ever said.
  Notifier();
  void ready() const;
  void reloading() const;
  void stopping() const;

 private:
  void say(const std::string& state) const;
  std::string socket_;
};

}  // namespace postern::master
