// Address mapping as of canonical(5), virtual(5), masquerading and the bcc
// tables: from one address to another, or to several.
// Next: envelope.h and headers.h, which say when.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cleanup/address_book.h"
#include "cleanup/settings.h"
#include "common/base/result.h"
#include "common/log/log.h"
#include "common/loop/task.h"

namespace postern::cleanup {

// Where an address stands.
enum class Place {
  envelope_sender,
  envelope_recipient,
  header_sender,
  header_recipient,
};
bool covers(const AddressClasses& classes, Place place);

// "a@host.example.com" as "a@example.com" where example.com is among the
// masquerade_domains; unchanged otherwise.
std::string masquerade(const Settings& settings, const std::string& address);

class Mapper {
 public:
  Mapper(const Settings& settings, AddressBook& book, const log::Log& log)
      : settings_(settings), book_(book), log_(log) {}

  // Would canonicalize() do anything at all for this place?
  bool maps(Place place) const;

  // Canonical tables, then masquerading. `queue_id` is for log lines. Trouble:
  // a table did not answer, or maps in circles; the message is not accepted.
  Task<Result<std::string>> canonicalize(std::string address, Place place,
                                         std::string queue_id);

  // virtual_alias_maps, again and again until nothing changes. The address
  // itself when no table knows it.
  Task<Result<std::vector<std::string>>> expand(std::string address,
                                                std::string queue_id);

  // The addresses that an entry of sender_bcc_maps or the like names.
  Task<Result<std::vector<std::string>>> bcc(std::string maps,
                                             std::string title,
                                             std::string address,
                                             std::string queue_id);

 private:
  using Entry = std::optional<std::vector<std::string>>;
  Task<Result<Entry>> look_up(std::string maps, std::string address,
                              bool extend);
  Task<Result<std::string>> map_one(const Mapping* mapping,
                                    std::string address, std::string queue_id);
  Trouble refuse(const std::string& queue_id, std::string_view what,
                 const std::string& address, std::string_view detail,
                 std::string_view text) const;

  const Settings& settings_;
  AddressBook& book_;
  const log::Log& log_;
};

}  // namespace postern::cleanup
