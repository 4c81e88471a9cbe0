// Answers about certificates, signatures and sessions
// (common/ipc/messages/keys.h). Private keys are in this process alone.
// Next: key_store.h, key_signing.h, key_sessions.h.
#pragma once

#include <map>
#include <string>

#include "authd/key_files.h"
#include "authd/key_sessions.h"
#include "authd/key_signing.h"
#include "authd/key_store.h"
#include "authd/key_threads.h"
#include "authd/server_names.h"
#include "common/ipc/link.h"
#include "common/loop/task.h"
#include "common/service/service.h"

namespace postern::authd {

class Keys final : private KeyFiles::Opener {
 public:
  // Before the process is locked.
  explicit Keys(Service& service);
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // After it: starts the threads.
  void start();

  // True: the frame was a question for us. `questions` holds what is under
  // way, and must end before the link does.
  bool handle(ipc::Link* link, Nursery* questions, ipc::Frame& frame);

 private:
  // Who asks, by what master said of the link.
  struct Asker {
    std::string row;
    Side side = Side::server;
    KeySources sources;
  };

  Task<Result<Fd>> open(std::string path) override;
  const Asker& asker_of(const ipc::Link& link);
  Task<void> tell_identity(ipc::Link* link, std::uint32_t id,
                           ipc::IdentityFind question);
  Task<void> give_signature(ipc::Link* link, std::uint32_t id,
                            ipc::SignRequest request);
  void tell_tickets(ipc::Link* link, std::uint32_t id,
                    const ipc::TicketKeysFind& question);

  Service& service_;
  KeyFiles files_;
  ServerNames names_;
  KeyStore store_;
  KeyThreads threads_;
  TicketKeys tickets_;
  SessionStore sessions_;
  std::map<std::string, Asker> askers_;
};

}  // namespace postern::authd
