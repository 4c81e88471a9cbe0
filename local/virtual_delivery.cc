#include "local/virtual_delivery.h"

#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/tables/address_find.h"
#include "local/storing.h"

namespace postern::local {
namespace {

constexpr std::int64_t most_id = 0xfffffffe;

Trouble misconfigured() {
  return try_later("3.5", "mail system configuration error");
}

std::string mailbox_failure(const std::string& path, const std::string& why) {
  if (path.ends_with('/')) return "maildir delivery failed: " + why;
  return "delivery failed to mailbox " + path + ": " + why;
}

}  // namespace

std::optional<std::int64_t> parse_id(const std::string& text,
                                     std::int64_t least) {
  const std::optional<std::int64_t> id = parse_number(trim(text));
  if (!id || *id < least || *id >= most_id) return std::nullopt;
  return id;
}

// user+ext@domain, user@domain, @domain.
Task<Result<std::optional<std::string>>> VirtualDelivery::look_up(
    std::string maps, std::string address) {
  std::vector<std::string> keys;
  std::int64_t partial_from = 0;
  for (const tables::Candidate& each :
       tables::virtual_keys(address, settings_.expand.extension(), false)) {
    keys.push_back(each.key);
    if (!each.partial) partial_from = static_cast<std::int64_t>(keys.size());
  }
  Result<ipc::TableAnswer> answer = co_await lookup_.find_first(
      std::move(maps), std::move(keys), partial_from);
  if (!answer) co_return answer.trouble();
  std::optional<std::string> value;
  if (answer->found) value = std::move(answer->value);
  co_return std::move(value);
}

Task<Result<std::int64_t>> VirtualDelivery::find_id(std::string kind,
                                                    std::string maps,
                                                    std::int64_t least,
                                                    std::string address) {
  const std::string parameter = "virtual_" + kind + "_maps";
  Result<std::optional<std::string>> value = co_await look_up(maps, address);
  if (!value) {
    log_.warning(value.trouble().text);
    co_return try_later("3.5", "mail system configuration error");
  }
  if (!*value) {
    log_.warning("recipient {}: not found in {}", address, parameter);
    co_return misconfigured();
  }
  const std::optional<std::int64_t> id = parse_id(**value, least);
  if (!id) {
    log_.warning("recipient {}: bad {} {} in {}", address, kind, **value,
                 parameter);
    co_return misconfigured();
  }
  co_return *id;
}

Task<Result<VirtualDelivery::Mailbox>> VirtualDelivery::find(
    std::string address) {
  Result<std::optional<std::string>> path =
      co_await look_up(settings_.mailbox_maps, address);
  if (!path) {
    log_.warning(path.trouble().text);
    co_return try_later("3.0", "mailbox lookup error");
  }
  if (!*path) co_return give_up("1.1", "unknown user: \"" + address + "\"");
  Mailbox mailbox;
  mailbox.path = settings_.mailbox_base + "/" + **path;
  if (settings_.mailbox_base.empty()) mailbox.path = **path;
  // virtual_mailbox_base keeps tables from reaching elsewhere.
  if (!mailbox.path.starts_with('/') ||
      ("/" + mailbox.path + "/").find("/../") != std::string::npos) {
    log_.warning(
        "recipient {}: mailbox path {} is not below "
        "virtual_mailbox_base",
        address, mailbox.path);
    co_return misconfigured();
  }
  const std::string uid_kind = "uid";
  const std::int64_t least = settings_.minimum_uid;
  Result<std::int64_t> uid =
      co_await find_id(uid_kind, settings_.uid_maps, least, address);
  if (!uid) co_return uid.trouble();
  const std::string gid_kind = "gid";
  Result<std::int64_t> gid =
      co_await find_id(gid_kind, settings_.gid_maps, 1, address);
  if (!gid) co_return gid.trouble();
  mailbox.uid = *uid;
  mailbox.gid = *gid;
  co_return std::move(mailbox);
}

Task<> VirtualDelivery::store(const Job* job, const Mailbox* mailbox,
                              std::string address, Outcome* outcome) {
  Result<ipc::StoreRequest> what = store_request(
      settings_, job->request, mailbox->path, outcome->original(), address);
  if (!what) {
    outcome->failed(address, what.trouble());
    co_return;
  }
  ipc::WorkerRequest who;
  who.purpose = "mailbox";
  who.uid = mailbox->uid;
  who.gid = mailbox->gid;
  who.path = mailbox->path;
  Result<ipc::StoreAnswer> stored =
      co_await workers_.store(std::move(who), std::move(*what));
  if (stored) {
    outcome->sent(address, stored->text, "delivered");
    co_return;
  }
  Trouble trouble = stored.trouble();
  trouble.text = mailbox_failure(mailbox->path, trouble.text);
  outcome->failed(address, trouble);
}

Task<ipc::DeliverResult> VirtualDelivery::deliver(const Job* job,
                                                  std::size_t recipient) {
  const ipc::DeliverRecipient& who = job->request.recipients[recipient];
  Outcome outcome(settings_, log_, job->request, who, job->started);
  const std::string folded = to_lower(who.address);
  Result<Mailbox> mailbox = co_await find(folded);
  if (!mailbox) {
    outcome.failed(who.address, mailbox.trouble());
  } else if (job->request.verify_only) {
    outcome.sent(who.address, "delivers to mailbox", "");
  } else {
    const Mailbox* where = &*mailbox;
    co_await store(job, where, who.address, &outcome);
  }
  co_await filter_.release(&outcome);
  co_return outcome.result();
}

}  // namespace postern::local
