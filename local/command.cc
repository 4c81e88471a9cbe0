#include "local/command.h"

#include <ctime>
#include <utility>

#include "local/storing.h"

namespace postern::local {

std::string attribute(const ipc::DeliverRequest& request,
                      const std::string& name) {
  for (const auto& [each, value] : request.attributes)
    if (each == name) return value;
  return "";
}

ipc::WorkerRequest command_runner(const Step& step) {
  ipc::WorkerRequest who;
  who.purpose = "command";
  who.uid = step.user.uid;
  who.gid = step.user.gid;
  who.user = step.user.name;
  who.command = step.text;
  who.origin = step.origin;
  who.list = step.list;
  return who;
}

Result<ipc::RunRequest> command_request(const Settings& settings,
                                        const ipc::DeliverRequest& request,
                                        const Step& step,
                                        const std::string& original) {
  ipc::RunRequest run;
  Result<Fd> message = message_of(request);
  if (!message) return message.trouble();
  run.message = std::move(*message);
  run.content_offset = request.content_offset;
  run.content_size = request.content_size;
  run.names = step.names;
  run.headers =
      separator_line(request.sender, std::time(nullptr)) + "\n" +
      store_headers(request.sender, settings.original_recipient ? original : "",
                    settings.delivered_to_command ? step.delivered : "");
  const ipc::RecipientNames& names = step.names;
  run.environment = {{"LOGNAME", names.user},        {"USER", names.user},
                     {"SENDER", request.sender},     {"LOCAL", names.local},
                     {"RECIPIENT", names.recipient}};
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) run.environment.emplace_back(name, value);
  };
  put("DOMAIN", names.domain);
  put("EXTENSION", names.extension);
  put("ORIGINAL_RECIPIENT", original);
  put("CLIENT_HOSTNAME", attribute(request, "log_client_name"));
  put("CLIENT_ADDRESS", attribute(request, "log_client_address"));
  put("CLIENT_HELO", attribute(request, "log_helo_name"));
  put("CLIENT_PROTOCOL", attribute(request, "log_protocol_name"));
  put("SASL_METHOD", attribute(request, "sasl_method"));
  put("SASL_SENDER", attribute(request, "sasl_sender"));
  put("SASL_USERNAME", attribute(request, "sasl_username"));
  return run;
}

// Its start, its last words, and a busy machine.
std::chrono::milliseconds answer_limit(std::chrono::milliseconds limit) {
  return limit + std::chrono::milliseconds(120'000);
}

}  // namespace postern::local
