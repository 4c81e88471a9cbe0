#include "lookup/probe.h"

#include <chrono>

#include "common/mail/received.h"

namespace postern::lookup {
namespace {

constexpr Millis link_limit = Seconds(10);
constexpr Millis answer_limit = Seconds(60);

Status outcome(const Trouble& trouble) { return trouble; }

}  // namespace

Prober::Prober(Service& service)
    : service_(service),
      sender_(service.config()),
      cleanup_(service.config().get<"cleanup_service_name">()),
      hostname_(service.config().get<"myhostname">()),
      mail_name_(service.config().get<"mail_name">()) {}

Task<Status> Prober::send(std::string address, bool smtputf8) {
  Result<std::unique_ptr<ipc::Link>> link =
      co_await service_.link_to(cleanup_, link_limit);
  if (!link) co_return outcome(link.trouble());
  ipc::Link* live = link->get();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ipc::MessageBegin begin;
  begin.arrival =
      std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  begin.sender = sender_.address(begin.arrival / 1000000);
  begin.flags = ipc::verify_only | ipc::address_probe |
                ipc::no_header_body_checks | ipc::no_milters;
  if (smtputf8) begin.flags |= ipc::smtputf8_requested;
  begin.context = "local";
  begin.attributes.emplace_back("verify_address", address);
  Result<ipc::MessageBegun> begun = co_await live->call(begin, answer_limit);
  if (!begun) co_return outcome(begun.trouble());
  if (begun->trouble.present) co_return outcome(begun->trouble.trouble());
  ipc::MessageRecipient recipient;
  recipient.address = std::move(address);
  recipient.notify = ipc::notify_never;
  live->send(recipient);
  mail::Received header;
  header.hostname = hostname_;
  header.mail_name = mail_name_;
  header.queue_id = begun->queue_id;
  header.when = static_cast<std::time_t>(begin.arrival / 1000000);
  ipc::MessageContent content;
  content.bytes = mail::received_header(header) + "\n\n";
  live->send(content);
  ipc::MessageEnd end;
  end.bytes = static_cast<std::int64_t>(content.bytes.size());
  Result<ipc::MessageVerdict> verdict = co_await live->call(end, answer_limit);
  if (!verdict) co_return outcome(verdict.trouble());
  if (verdict->trouble.present) co_return outcome(verdict->trouble.trouble());
  co_return Status();
}

}  // namespace postern::lookup
