// Streams on which authd serves the Dovecot auth protocol: those that smtpd
// asks for over its link, and those accepted from named sockets.
// Next: connection.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "authd/connection.h"
#include "authd/cyrus.h"
#include "authd/mechanisms.h"
#include "authd/users.h"
#include "common/ipc/messages/auth.h"
#include "common/log/log.h"

namespace postern::authd {

class Channels {
 public:
  struct Settings {
    std::vector<std::string> mechanisms;  // auth_mechanisms, in capitals
    std::string application;  // the one that the Cyrus library serves
    std::size_t most = 1000;  // connections
  };
  // All must outlive it; `cyrus` may be null, and then `without_cyrus` says
  // why.
  Channels(Settings settings, Users& users, Gate& gate, Cyrus* cyrus,
           std::string without_cyrus, log::Log log);

  // The stream's other end, for a peer of this name.
  ipc::AuthChannelAnswer open(const ipc::AuthChannel& asked,
                              const std::string& peer);
  // Accepts from a listener until drain(). False: there is no such back end,
  // and the log says so.
  bool listen(Fd socket, std::string name, const ipc::AuthChannel& backend);
  // Takes nobody new, and ends when no log-in is under way: clients whose
  // stream closes ask for another one.
  void drain(std::function<void()> finished);

 private:
  struct Socket {
    Fd socket;
    std::string name;
    std::shared_ptr<Backend> backend;
    std::unique_ptr<Watch> watch;
    std::unique_ptr<Timer> rest;  // while the system has no descriptor left
  };
  Result<std::shared_ptr<Backend>> backend_of(const ipc::AuthChannel& asked);
  void accept(Socket& from);
  bool serve(Fd socket, const std::string& name,
             std::shared_ptr<Backend> backend);
  Task<void> run(std::unique_ptr<Connection> connection);

  Settings settings_;
  Users& users_;
  Gate& gate_;
  Cyrus* cyrus_;
  std::string without_cyrus_;
  log::Log log_;
  std::uint64_t last_number_ = 0;
  std::vector<std::unique_ptr<Socket>> sockets_;
  Nursery connections_;
};

}  // namespace postern::authd
