#include "local/pass.h"

#include <memory>
#include <utility>

#include "common/mail/status.h"
#include "local/storing.h"

namespace postern::local {
namespace {

constexpr Millis link_limit{60'000};
// The agent has limits of its own; this is for one that hangs.
constexpr Millis agent_limit{6 * 3'600'000};

// The request as the other agent is to see it, for one recipient.
Result<ipc::DeliverRequest> request_for(const ipc::DeliverRequest& request,
                                        const std::string& service,
                                        const std::string& nexthop) {
  Result<Fd> message = message_of(request);
  if (!message) return message.trouble();
  ipc::DeliverRequest made;
  made.queue_id = request.queue_id;
  made.service = service;
  made.nexthop = nexthop;
  made.sender = request.sender;
  made.envid = request.envid;
  made.ret = request.ret;
  made.body = request.body;
  made.smtputf8 = request.smtputf8;
  made.context = request.context;
  made.content_offset = request.content_offset;
  made.content_size = request.content_size;
  made.arrival = request.arrival;
  made.activated = request.activated;
  made.attributes = request.attributes;
  made.verify_only = request.verify_only;
  made.message = std::move(*message);
  return made;
}

}  // namespace

std::pair<std::string, std::string> split_transport(
    const std::string& transport, const std::string& nexthop) {
  const std::size_t colon = transport.find(':');
  std::string next =
      colon == std::string::npos ? "" : transport.substr(colon + 1);
  return {transport.substr(0, colon), next.empty() ? nexthop : next};
}

const ipc::RowWire* Passer::row_of(const std::string& transport) const {
  for (const ipc::RowWire& row : service_.suite())
    if (row.name == transport && row.type != "inet") return &row;
  return nullptr;
}

// error, retry and discard live in the queue manager, and say no more than
// their next hop does.
void Passer::tell(const Job* job, std::size_t recipient, const Step* step,
                  const std::string& program, const std::string& nexthop,
                  Outcome* outcome) {
  const bool discard = program == "discard";
  const bool retry = split_transport(step->text, "").first == "retry";
  mail::StatusText said = mail::split_status(
      nexthop, discard ? "2.0.0" : retry ? "4.0.0" : "5.0.0");
  const log::Log log = service_.log_as(discard ? "discard" : "error");
  ipc::DeliverRequest shown;
  shown.queue_id = job->request.queue_id;
  shown.service = "none";
  shown.arrival = job->request.arrival;
  shown.activated = job->request.activated;
  shown.verify_only = job->request.verify_only;
  Outcome told(settings_, log, shown, job->request.recipients[recipient],
               job->started);
  const std::string detail =
      said.status.size() > 2 ? said.status.substr(2) : "0.0";
  if (discard)
    told.sent(step->recipient, said.text, "");
  else
    told.failed(step->recipient, retry ? try_later(detail, said.text)
                                       : give_up(detail, said.text));
  // error(8) and discard(8) know no filter.
  told.publish_held();
  outcome->adopt(step->recipient, told.result());
}

Task<> Passer::pass(const Job* job, std::size_t recipient, const Step* step,
                    Outcome* outcome) {
  const auto parts = split_transport(step->text, job->request.nexthop);
  const std::string transport = parts.first;
  service_.log().info("{}: passing <{}> to transport={}", job->request.queue_id,
                      step->recipient, transport);
  const ipc::RowWire* row = row_of(transport);
  if (row == nullptr || transport == settings_.service) {
    service_.log().warning(
        row == nullptr
            ? "there is no service " + transport + " in master.conf"
            : "mail for " + step->recipient + " would come back: " + transport +
                  " is this service itself");
    outcome->failed(step->recipient,
                    try_later("3.5", "mail system configuration error"));
    co_return;
  }
  const std::string program = row->program;
  if (program == "error" || program == "discard") {
    tell(job, recipient, step, program, parts.second, outcome);
    co_return;
  }
  Result<ipc::DeliverRequest> request =
      request_for(job->request, transport, parts.second);
  if (!request) {
    outcome->failed(step->recipient, request.trouble());
    co_return;
  }
  ipc::DeliverRecipient who = job->request.recipients[recipient];
  who.original = outcome->original();
  who.address = step->recipient;
  request->recipients.push_back(std::move(who));
  Result<std::unique_ptr<ipc::Link>> link =
      co_await service_.link_to(transport, link_limit);
  if (!link) {
    outcome->failed(step->recipient, link.trouble());
    co_return;
  }
  ipc::Link* agent = link->get();
  Result<ipc::DeliverReport> report =
      co_await agent->call(*request, agent_limit);
  if (!report)
    outcome->failed(step->recipient, report.trouble());
  else if (!report->results.empty())
    outcome->adopt(step->recipient, report->results.front());
  else
    outcome->failed(step->recipient,
                    try_later("3.0", report->failure_text.empty()
                                         ? "mail transport unavailable"
                                         : report->failure_text));
}

}  // namespace postern::local
