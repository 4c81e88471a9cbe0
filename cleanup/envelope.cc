#include "cleanup/envelope.h"

#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::cleanup {
namespace {

// Flags that mean something after cleanup.
constexpr std::int64_t lasting_flags =
    ipc::internal_notice | ipc::smtputf8_requested |
    ipc::report_deliveries | ipc::verify_only | ipc::address_probe;

std::string synthetic_orcpt(const std::string& address) {
  const std::string type = all_ascii(address) ? "rfc822;" : "utf-8;";
  return type + mail::quote_local_822(address);
}

}  // namespace

bool DuplicateFilter::first(const std::string& key) {
  std::string folded = mail::fold_key(key);
  if (limit_ > 0 && seen_.size() >= limit_) return seen_.count(folded) == 0;
  return seen_.insert(std::move(folded)).second;
}

Task<Status> EnvelopeBuilder::begin(ipc::MessageBegin begin) {
  flags_ = begin.flags;
  envelope_.arrival = begin.arrival;
  envelope_.envid = begin.envid;
  envelope_.ret = begin.ret;
  envelope_.body = begin.body;
  envelope_.context = begin.context;
  envelope_.filter = begin.filter;
  envelope_.flags = begin.flags & lasting_flags;
  for (auto& attribute : begin.attributes)
    if (attribute.first != "full_name")
      envelope_.attributes.push_back(std::move(attribute));
  envelope_.sender = book_.rewrite(begin.sender, route::Context::local);
  if (has(ipc::no_address_mappings) || !mapper_.maps(Place::envelope_sender))
    co_return Status();
  Result<std::string> mapped = co_await mapper_.canonicalize(
      envelope_.sender, Place::envelope_sender, queue_id_);
  if (!mapped) co_return mapped.trouble();
  envelope_.sender = std::move(*mapped);
  co_return Status();
}

void EnvelopeBuilder::mark(const ipc::MessageMark& mark) {
  flags_ |= mark.flags;
  envelope_.flags |= mark.flags & lasting_flags;
  if (!mark.filter.empty()) envelope_.filter = mark.filter;
  if (!mark.redirect.empty()) redirect_ = mark.redirect;
}

Task<Status> EnvelopeBuilder::add(ipc::MessageRecipient recipient) {
  std::string address = book_.rewrite(
      recipient.address.empty() ? settings_.empty_recipient
                                : recipient.address,
      route::Context::local);
  // What local forwards was first sent to another address.
  std::string original = recipient.original.empty()
                             ? std::move(recipient.address)
                             : mail::unquote_local(recipient.original);
  Given given{std::move(original), std::move(recipient.orcpt),
              recipient.notify};
  if (!has(ipc::no_address_mappings) &&
      mapper_.maps(Place::envelope_recipient)) {
    Result<std::string> mapped = co_await mapper_.canonicalize(
        address, Place::envelope_recipient, queue_id_);
    if (!mapped) co_return mapped.trouble();
    address = std::move(*mapped);
  }
  if (given.orcpt.empty() && address.find('@') != std::string::npos)
    given.orcpt = synthetic_orcpt(address);
  last_recipient_ = address;
  Status done = co_await put(address, std::move(given));
  if (!done || !copies()) co_return std::move(done);
  Result<std::vector<std::string>> more = co_await mapper_.bcc(
      settings_.recipient_bcc_maps, "recipient_bcc_maps", address, queue_id_);
  if (!more) co_return more.trouble();
  for (std::size_t i = 0; i < more->size(); ++i) {
    Status copied = co_await copy_to((*more)[i]);
    if (!copied) co_return std::move(copied);
  }
  co_return Status();
}

Task<Status> EnvelopeBuilder::copy_to(std::string address) {
  Given given{address, "", ipc::notify_never};
  Status done = co_await put(std::move(address), std::move(given));
  co_return std::move(done);
}

Task<Status> EnvelopeBuilder::put(std::string address, Given given) {
  if (has(ipc::no_address_mappings)) {
    put_one(address, given);
    co_return Status();
  }
  Result<std::vector<std::string>> targets =
      co_await mapper_.expand(address, queue_id_);
  if (!targets) co_return targets.trouble();
  if (targets->size() > 1 && (given.notify & ipc::notify_success) != 0) {
    ipc::NoticeRecipient told;
    told.address = address;
    told.original = given.original;
    told.orcpt = given.orcpt;
    told.notify = given.notify;
    told.action = "expanded";
    told.status = "2.0.0";
    told.text = "alias expanded";
    expanded_.push_back(std::move(told));
    // That was the success; only failures remain to be told.
    given.notify &= ~ipc::notify_success;
    if (given.notify == 0) given.notify = ipc::notify_never;
  }
  for (const std::string& target : *targets) put_one(target, given);
  co_return Status();
}

void EnvelopeBuilder::put_one(const std::string& address, const Given& given) {
  // Different originals keep a mailbox's owner informed about who was meant.
  const std::string key =
      settings_.enable_original_recipient
          ? given.orcpt + "\n" + std::to_string(given.notify) + "\n" +
                given.original + "\n" + address
          : address;
  if (!duplicates_.first(key)) return;
  queue::Recipient recipient;
  recipient.address = address;
  if (settings_.enable_original_recipient && given.original != address)
    recipient.original = given.original;
  recipient.orcpt = given.orcpt;
  recipient.notify = given.notify;
  envelope_.recipients.push_back(std::move(recipient));
}

Task<Status> EnvelopeBuilder::close() {
  if (envelope_.recipients.empty())
    co_return give_up("1.0", "Error: no recipients specified");
  if (copies()) {
    Result<std::vector<std::string>> more = co_await mapper_.bcc(
        settings_.sender_bcc_maps, "sender_bcc_maps", envelope_.sender,
        queue_id_);
    if (!more) co_return more.trouble();
    if (!settings_.always_bcc.empty())
      more->push_back(
          book_.rewrite(settings_.always_bcc, route::Context::local));
    for (std::size_t i = 0; i < more->size(); ++i) {
      Status copied = co_await copy_to((*more)[i]);
      if (!copied) co_return std::move(copied);
    }
  }
  for (std::size_t i = 0; i < also_to_.size(); ++i) {
    std::string address = book_.rewrite(also_to_[i], route::Context::local);
    Status copied = co_await copy_to(std::move(address));
    if (!copied) co_return std::move(copied);
  }
  if (!redirect_.empty()) {
    // It goes there, past content filters.
    envelope_.filter.clear();
    envelope_.recipients.resize(1);
    queue::Recipient& only = envelope_.recipients.front();
    if (only.original.empty()) only.original = only.address;
    only.address = book_.rewrite(redirect_, route::Context::local);
  }
  co_return Status();
}

Task<std::vector<ipc::RouteWire>> EnvelopeBuilder::resolve() {
  std::vector<ipc::RouteWire> routes;
  for (std::size_t i = 0; i < envelope_.recipients.size(); ++i) {
    std::string address = envelope_.recipients[i].address;
    std::string sender = envelope_.sender;
    Result<ipc::RouteWire> route =
        co_await book_.resolve(std::move(sender), std::move(address));
    if (!route) {
      routes.clear();
      break;
    }
    routes.push_back(std::move(*route));
  }
  co_return std::move(routes);
}

}  // namespace postern::cleanup
