// Mail for addresses elsewhere, or for the members of a list with an owner: a
// new message in the queue, with its own sender, recipients and fate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/content.h"
#include "common/ipc/messages/deliver.h"
#include "common/loop/task.h"
#include "common/service/service.h"
#include "local/settings.h"

namespace postern::local {

struct NewMessage {
  std::string sender;
  std::string delivered;  // for its Delivered-To header; "" for none
  std::vector<std::string> recipients;
  // A list's owner takes the place of the sender, who is told nothing more.
  bool owned = false;
};

// The notices that the recipients of the new message owe to the sender: what
// was asked for, but success was told of already ("expanded").
std::int64_t forwarded_notify(std::int64_t asked);

class Forwarder {
 public:
  Forwarder(Service& service, const Settings& settings)
      : service_(service), settings_(settings) {}

  // The queue id of the new message, which is on disk. Trouble: it is not
  // there. What the pointers point to outlives the task.
  Task<Result<std::string>> forward(const ipc::DeliverRequest* request,
                                    const ipc::DeliverRecipient* recipient,
                                    NewMessage message);

 private:
  Task<Status> send_content(ipc::Link* link, const ipc::DeliverRequest* request,
                            std::string head, std::int64_t* sent);

  Service& service_;
  const Settings& settings_;
};

}  // namespace postern::local
