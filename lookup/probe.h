// The message that asks whether an address takes mail: no content to speak of,
// handed to cleanup like any other.
#pragma once

#include <string>

#include "common/access/probe_sender.h"
#include "common/ipc/messages/content.h"
#include "common/service/service.h"

namespace postern::lookup {

class Prober {
 public:
  // `service` must outlive it.
  explicit Prober(Service& service);

  // Trouble: the message did not get into the queue.
  Task<Status> send(std::string address, bool smtputf8);

 private:
  Service& service_;
  access::ProbeSender sender_;
  std::string cleanup_, hostname_, mail_name_;
};

}  // namespace postern::lookup
