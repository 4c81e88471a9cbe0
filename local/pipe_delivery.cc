#include "local/pipe_delivery.h"

#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "local/command.h"
#include "local/exit_status.h"
#include "local/storing.h"

namespace postern::local {
namespace {

constexpr std::size_t most_shown = 100;  // of the output of a success

Trouble misconfigured() {
  return try_later("3.5", "mail system configuration error");
}

}  // namespace

PipeDelivery::PipeDelivery(const Service& service, const Settings& settings,
                           Workers& workers, StatusFilter& filter)
    : settings_(settings),
      log_(service.log()),
      workers_(workers),
      filter_(filter) {
  if (Status read = read_row(service); !read) {
    fault_ = "service " + settings_.service + ": " + read.trouble().text;
    log_.warning("{}: mail for it is deferred", fault_);
  }
  for (const std::string& warning : row_.warnings) log_.warning(warning);
}

Status PipeDelivery::read_row(const Service& service) {
  const ServiceRow& row = service.row();
  Result<config::CommandRow> parsed =
      config::CommandRow::parse(row.arguments, row.program);
  if (!parsed) return parsed.trouble();
  row_ = std::move(*parsed);
  if (!row_.chroot.empty())
    return give_up("3.5", "chroot= is not available; take it out of the row");
  const std::string limit = row.name + "_destination_recipient_limit";
  for (const char flag : {'D', 'O'})
    if (row_.has(flag) && row.config.number(limit, 0) != 1)
      return give_up("3.5", std::string("pipe flag `") + flag +
                                "' requires " + limit + " = 1");
  const ExpandRules& expand = settings_.expand;
  rules_ = {row_.flags, row_.null_sender, expand.recipient_delimiter,
            expand.owner_request_special, expand.double_bounce_sender};
  for (std::size_t i = 1; i < row_.argv.size(); ++i) {
    Result<PipeArgument> argument = PipeArgument::parse(row_.argv[i]);
    if (!argument) return argument.trouble();
    arguments_.push_back(std::move(*argument));
  }
  return {};
}

// Before anything is started.
Status PipeDelivery::check(const Job& job) const {
  const ipc::DeliverRequest& request = job.request;
  if (!fault_.empty()) {
    log_.warning(fault_);
    return misconfigured();
  }
  if (row_.size_limit > 0 && request.content_size > row_.size_limit)
    return give_up("2.3", "message too large");
  if (!row_.has('D')) return {};
  for (const ipc::DeliverRecipient& each : request.recipients)
    if (job.delivered_to.contains(each.address))
      return give_up("4.6", "mail forwarding loop for " + each.address);
  return {};
}

std::string PipeDelivery::headers_of(const ipc::DeliverRequest& request) const {
  const std::string& sender =
      request.sender.empty() ? row_.null_sender : request.sender;
  const ipc::DeliverRecipient& who = request.recipients.front();
  const std::string original =
      who.original.empty() ? who.address : who.original;
  std::string headers;
  if (row_.has('F'))
    headers += separator_line(sender, std::time(nullptr)) + "\n";
  if (row_.has('R')) headers += store_headers(sender, "", "");
  if (row_.has('O')) headers += address_header("X-Original-To", original);
  if (row_.has('D')) headers += address_header("Delivered-To", who.address);
  return headers;
}

Result<ipc::RunRequest> PipeDelivery::request_of(
    const ipc::DeliverRequest& request) const {
  ipc::RunRequest run;
  for (const PipeArgument& each : arguments_)
    if (Status done = each.expand(rules_, request, run.arguments); !done) {
      log_.warning(done.trouble().text);
      return misconfigured();
    }
  Result<Fd> message = message_of(request);
  if (!message) return message.trouble();
  run.message = std::move(*message);
  run.content_offset = request.content_offset;
  run.content_size = request.content_size;
  run.headers = headers_of(request);
  run.line_end = row_.line_end;
  run.escape_dots = row_.has('.');
  run.quote_from = row_.has('>');
  run.blank_at_end = row_.has('B');
  return run;
}

Task<Status> PipeDelivery::run(const Job* job, std::string* output,
                               std::string* said) {
  Result<ipc::RunRequest> what = request_of(job->request);
  if (!what) co_return what.trouble();
  ipc::WorkerRequest who;
  who.purpose = "command";
  const Millis limit = answer_limit(settings_.time_limit);
  Result<ipc::RunAnswer> ended =
      co_await workers_.run(std::move(who), std::move(*what), limit);
  if (!ended) co_return ended.trouble();
  if (ended->timed_out) log_.warning(time_limit_warning);
  *output = trim_right(output_line(ended->output)).substr(0, most_shown);
  *said = said_by_program(*ended);
  co_return judge_exit(*ended, row_.argv.front());
}

Task<std::vector<ipc::DeliverResult>> PipeDelivery::deliver_all(
    const Job* job) {
  const ipc::DeliverRequest& request = job->request;
  Status status = check(*job);
  std::string output, said;
  if (status.ok() && !request.verify_only) {
    status = co_await run(job, &output, &said);
  }
  std::string text = "delivered via " + request.service + " service";
  if (request.verify_only) text = "delivers to command: " + row_.argv.front();
  if (!output.empty()) text += " (" + output + ")";
  std::vector<ipc::DeliverResult> results;
  for (const ipc::DeliverRecipient& each : request.recipients) {
    Outcome outcome(settings_, log_, request, each, job->started);
    if (status)
      outcome.sent(each.address, text, row_.has('X') ? "delivered" : "relayed");
    else
      outcome.failed(each.address, status.trouble(), said);
    co_await filter_.release(&outcome);
    results.push_back(outcome.result());
  }
  co_return std::move(results);
}

// One of several: never asked for, as all are delivered together.
Task<ipc::DeliverResult> PipeDelivery::deliver(const Job* job,
                                               std::size_t recipient) {
  std::vector<ipc::DeliverResult> results = co_await deliver_all(job);
  co_return std::move(results[recipient]);
}

}  // namespace postern::local
