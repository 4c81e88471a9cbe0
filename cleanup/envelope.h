// From the envelope that a client gave to the one that is queued: addresses
// completed and mapped, aliases expanded, duplicates removed, copies added.
// Next: submission.h.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "cleanup/address_book.h"
#include "cleanup/mapping.h"
#include "cleanup/settings.h"
#include "common/base/result.h"
#include "common/ipc/messages/content.h"
#include "common/ipc/messages/queue.h"
#include "common/loop/task.h"
#include "common/queue/envelope.h"

namespace postern::cleanup {

// Recipients that were seen already (duplicate_filter_limit: so many are
// remembered; 0: all).
class DuplicateFilter {
 public:
  explicit DuplicateFilter(std::int64_t limit)
      : limit_(static_cast<std::size_t>(limit)) {}
  // True the first time; whatever the case of letters.
  bool first(const std::string& key);

 private:
  std::size_t limit_;
  std::unordered_set<std::string> seen_;
};

class EnvelopeBuilder {
 public:
  EnvelopeBuilder(const Settings& settings, AddressBook& book, Mapper& mapper,
                  std::string queue_id)
      : settings_(settings),
        book_(book),
        mapper_(mapper),
        queue_id_(std::move(queue_id)),
        duplicates_(settings.duplicate_limit) {}

  // All but the recipients. Attributes of the sandbox between us and the
  // submitter ("full_name") are left out.
  Task<Status> begin(ipc::MessageBegin begin);
  Task<Status> add(ipc::MessageRecipient recipient);
  void mark(const ipc::MessageMark& mark);
  // One more recipient, of whom nobody is told (BCC of header_checks).
  void also_to(std::string address) {
    also_to_.push_back(std::move(address));
  }
  // "7BIT" or "8BITMIME", as the message says of itself.
  void set_body(std::string body) { envelope_.body = std::move(body); }
  // After the last recipient: copies by always_bcc and sender_bcc_maps, a
  // redirection.
  Task<Status> close();

  // Routes for all recipients, in order; none when one cannot be told now.
  Task<std::vector<ipc::RouteWire>> resolve();

  // All recipients gave way to one.
  bool redirected() const { return !redirect_.empty(); }

  const std::string& sender() const { return envelope_.sender; }
  // The one that came last, before aliases.
  const std::string& last_recipient() const { return last_recipient_; }
  std::int64_t flags() const { return flags_; }
  bool has(ipc::CleanupFlag flag) const { return (flags_ & flag) != 0; }
  queue::Envelope& envelope() { return envelope_; }
  const queue::Envelope& envelope() const { return envelope_; }
  // Aliases with NOTIFY=SUCCESS that became several addresses: their sender
  // is told (RFC 3461 5.2.7.3).
  const std::vector<ipc::NoticeRecipient>& expanded() const {
    return expanded_;
  }

 private:
  struct Given {
    std::string original;  // before rewriting
    std::string orcpt;
    std::int64_t notify = 0;
  };
  Task<Status> put(std::string address, Given given);
  Task<Status> copy_to(std::string address);
  void put_one(const std::string& address, const Given& given);
  bool copies() const {
    return !has(ipc::no_address_mappings) && !has(ipc::internal_notice) &&
           !has(ipc::address_probe);
  }

  const Settings& settings_;
  AddressBook& book_;
  Mapper& mapper_;
  std::string queue_id_;
  DuplicateFilter duplicates_;
  queue::Envelope envelope_;
  std::int64_t flags_ = 0;
  std::string redirect_;
  std::string last_recipient_;
  std::vector<std::string> also_to_;
  std::vector<ipc::NoticeRecipient> expanded_;
};

}  // namespace postern::cleanup
