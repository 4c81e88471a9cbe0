#include "local/forward.h"

#include <algorithm>
#include <ctime>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/received.h"
#include "common/os/files.h"
#include "common/service/delivery_log.h"

namespace postern::local {
namespace {

constexpr Millis link_limit{60'000};
constexpr Millis answer_limit{600'000};
constexpr std::int64_t piece_size = 128 * 1024;
constexpr std::size_t unsent_limit = 1u << 20;

ipc::MessageBegin begin_of(const ipc::DeliverRequest& request,
                           const NewMessage& message) {
  ipc::MessageBegin begin;
  begin.arrival = wall_clock();
  begin.sender = message.sender;
  // Our own mail is not filtered a second time.
  begin.flags = ipc::no_header_body_checks | ipc::no_milters |
                ipc::no_unknown_recipient_checks;
  if (request.smtputf8) begin.flags |= ipc::smtputf8_requested;
  begin.context = request.context;
  begin.body = request.body;
  if (!message.owned) {
    begin.envid = request.envid;
    begin.ret = request.ret;
  }
  begin.size_hint = request.content_size;
  begin.attributes = request.attributes;
  return begin;
}

std::string head_of(const Settings& settings, const NewMessage& message,
                    const std::string& queue_id) {
  mail::Received received;
  received.hostname = settings.myhostname;
  received.mail_name = settings.mail_name;
  received.queue_id = queue_id;
  received.when = std::time(nullptr);
  std::string head = mail::received_header(received) + "\n";
  if (settings.delivered_to_forward && !message.delivered.empty())
    head += "Delivered-To: " +
            printable_utf8(mail::quote_local_822(message.delivered)) + "\n";
  return head;
}

}  // namespace

std::int64_t forwarded_notify(std::int64_t asked) {
  if ((asked & ipc::notify_success) == 0) return asked;
  const std::int64_t rest = asked & ~std::int64_t{ipc::notify_success};
  return rest == 0 ? std::int64_t{ipc::notify_never} : rest;
}

Task<Status> Forwarder::send_content(ipc::Link* link,
                                     const ipc::DeliverRequest* request,
                                     std::string head, std::int64_t* sent) {
  *sent = static_cast<std::int64_t>(head.size());
  link->send(ipc::MessageContent{std::move(head)});
  for (std::int64_t done = 0; done < request->content_size;) {
    const std::int64_t want =
        std::min(piece_size, request->content_size - done);
    Result<std::string> piece =
        os::read_at(request->message.get(), static_cast<std::size_t>(want),
                    request->content_offset + done, "error reading message");
    if (!piece) co_return piece.trouble();
    if (piece->empty())
      co_return try_later("3.0", "error reading message: it ends too early");
    done += static_cast<std::int64_t>(piece->size());
    *sent += static_cast<std::int64_t>(piece->size());
    link->send(ipc::MessageContent{std::move(*piece)});
    if (link->unsent() > unsent_limit) {
      const bool taken = co_await link->drained(answer_limit);
      if (!taken)
        co_return try_later("3.0", "lost connection with the cleanup service");
    }
  }
  co_return Status();
}

Task<Result<std::string>> Forwarder::forward(
    const ipc::DeliverRequest* request, const ipc::DeliverRecipient* recipient,
    NewMessage message) {
  const std::string service = "cleanup";
  Result<std::unique_ptr<ipc::Link>> made =
      co_await service_.link_to(service, link_limit);
  if (!made) co_return made.trouble();
  const std::unique_ptr<ipc::Link> link = std::move(*made);

  const ipc::MessageBegin begin = begin_of(*request, message);
  Result<ipc::MessageBegun> begun = co_await link->call(begin, answer_limit);
  if (!begun) co_return begun.trouble();
  if (begun->trouble.present) co_return begun->trouble.trouble();

  for (const std::string& each : message.recipients) {
    ipc::MessageRecipient one;
    one.address = each;
    // For a list with an owner the member is all there is.
    if (!message.owned) {
      one.original = mail::quote_local_821(recipient->original.empty()
                                               ? recipient->address
                                               : recipient->original);
      one.orcpt = recipient->orcpt;
      one.notify = forwarded_notify(recipient->notify);
    }
    link->send(one);
  }

  std::string head = head_of(settings_, message, begun->queue_id);
  ipc::MessageEnd end;
  Status sent =
      co_await send_content(link.get(), request, std::move(head), &end.bytes);
  if (!sent) co_return sent.trouble();  // the link goes, the message with it
  Result<ipc::MessageVerdict> verdict = co_await link->call(end, answer_limit);
  if (!verdict) co_return verdict.trouble();
  if (verdict->trouble.present) co_return verdict->trouble.trouble();
  co_return std::move(verdict->queue_id);
}

}  // namespace postern::local
