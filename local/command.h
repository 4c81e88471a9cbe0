// What is the same for commands of local(8): the request to a runner, with the
// environment that describes the message.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/worker.h"
#include "local/expand.h"
#include "local/settings.h"

namespace postern::local {

// The value of a message's attribute, "" where it has none.
std::string attribute(const ipc::DeliverRequest& request,
                      const std::string& name);

ipc::WorkerRequest command_runner(const Step& step);

// `original`: the recipient before rewriting. Trouble: no descriptor is left.
Result<ipc::RunRequest> command_request(const Settings& settings,
                                        const ipc::DeliverRequest& request,
                                        const Step& step,
                                        const std::string& original);

// How long to wait for the answer about a command with this limit.
std::chrono::milliseconds answer_limit(std::chrono::milliseconds limit);

}  // namespace postern::local
