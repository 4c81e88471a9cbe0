#include "cleanup/mapping.h"

#include <set>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/tables/address_find.h"

namespace postern::cleanup {
namespace {

constexpr int canonical_recursion_limit = 10;
constexpr std::string_view expansion_error = "Error: Alias expansion error";
constexpr std::string_view mapping_error = "Error: queue file write error";

std::string key_of(const std::string& address) {
  return mail::fold_key(address);
}

}  // namespace

bool covers(const AddressClasses& classes, Place place) {
  switch (place) {
    case Place::envelope_sender: return classes.envelope_sender;
    case Place::envelope_recipient: return classes.envelope_recipient;
    case Place::header_sender: return classes.header_sender;
    case Place::header_recipient: return classes.header_recipient;
  }
  return false;
}

std::string masquerade(const Settings& settings, const std::string& address) {
  const mail::AddressParts parts = mail::split_address(address);
  if (parts.domain.empty() ||
      settings.masquerade_exceptions.count(to_lower(parts.local)) > 0)
    return address;
  for (const std::string& entry : settings.masquerade_domains) {
    const bool kept = entry.starts_with('!');
    const std::string_view domain = std::string_view(entry).substr(kept);
    if (equal_nocase(parts.domain, domain)) return address;
    if (!ends_with_nocase(parts.domain, "." + std::string(domain))) continue;
    if (kept) return address;
    return std::string(parts.local) + "@" + std::string(domain);
  }
  return address;
}

bool Mapper::maps(Place place) const {
  const Mapping& own =
      place == Place::envelope_sender || place == Place::header_sender
          ? settings_.sender_canonical
          : settings_.recipient_canonical;
  for (const Mapping* mapping : {&own, &settings_.canonical})
    if (!mapping->maps.empty() && covers(mapping->classes, place)) return true;
  return !settings_.masquerade_domains.empty() &&
         covers(settings_.masquerade_classes, place);
}

Trouble Mapper::refuse(const std::string& queue_id, std::string_view what,
                       const std::string& address, std::string_view detail,
                       std::string_view text) const {
  log_.warning("{}: {} for {} -- message not accepted, try again later",
               queue_id, what, address);
  return try_later(detail, std::string(text));
}

Task<Result<Mapper::Entry>> Mapper::look_up(std::string maps,
                                            std::string address, bool extend) {
  std::string domain(mail::split_address(address).domain);
  Result<bool> local = co_await book_.is_local(std::move(domain));
  if (!local) co_return local.trouble();
  tables::KeyList list =
      tables::virtual_key_list(address, settings_.extension_rules(), *local);
  Result<ipc::TableAnswer> answer =
      co_await book_.find(std::move(maps), std::move(list.keys),
                          list.partial_from);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  Entry entry;
  if (!answer->found) co_return std::move(entry);
  std::string extension;
  const auto which = static_cast<std::size_t>(answer->key);
  if (extend && which < list.extensions.size())
    extension = list.extensions[which];
  entry = tables::mapped_addresses(
      answer->value, address, extension, [this](const std::string& one) {
        return book_.rewrite(one, route::Context::local);
      });
  if (entry->empty()) entry.reset();
  co_return std::move(entry);
}

Task<Result<std::string>> Mapper::map_one(const Mapping* mapping,
                                          std::string address,
                                          std::string queue_id) {
  for (int round = 0; round < canonical_recursion_limit; ++round) {
    Result<Entry> entry =
        co_await look_up(mapping->maps, address, settings_.extend_canonical);
    if (!entry)
      co_return refuse(queue_id, mapping->title + " map lookup problem",
                       address, "3.0", mapping_error);
    if (!*entry) co_return std::move(address);
    const std::vector<std::string>& found = **entry;
    if (found.size() > 1)
      log_.warning("{}: multi-valued {} entry for {}", queue_id,
                   mapping->title, address);
    const bool settled = equal_nocase(found.front(), address);
    address = found.front();
    if (settled) co_return std::move(address);
  }
  co_return refuse(queue_id, "unreasonable " + mapping->title + " map nesting",
                   address, "3.0", mapping_error);
}

Task<Result<std::string>> Mapper::canonicalize(std::string address,
                                               Place place,
                                               std::string queue_id) {
  if (address.empty()) co_return std::move(address);
  const bool is_sender =
      place == Place::envelope_sender || place == Place::header_sender;
  const Mapping* own =
      is_sender ? &settings_.sender_canonical : &settings_.recipient_canonical;
  const Mapping* const mappings[] = {own, &settings_.canonical};
  for (std::size_t i = 0; i < 2; ++i) {
    const Mapping* mapping = mappings[i];
    if (mapping->maps.empty() || !covers(mapping->classes, place)) continue;
    Result<std::string> mapped = co_await map_one(mapping, address, queue_id);
    if (!mapped) co_return mapped.trouble();
    address = std::move(*mapped);
  }
  if (covers(settings_.masquerade_classes, place))
    address = masquerade(settings_, address);
  co_return std::move(address);
}

Task<Result<std::vector<std::string>>> Mapper::expand(std::string address,
                                                      std::string queue_id) {
  std::vector<std::string> out = {address};
  if (settings_.virtual_alias_maps.empty()) co_return std::move(out);
  const auto limit = static_cast<std::size_t>(settings_.expansion_limit);
  // Those that have expanded into themselves stay.
  std::set<std::string> settled;
  for (std::size_t at = 0; at < out.size(); ++at) {
    for (std::int64_t nesting = 0; settled.count(key_of(out[at])) == 0;
         ++nesting) {
      if (nesting >= settings_.recursion_limit)
        co_return refuse(queue_id,
                         "unreasonable virtual_alias_maps map nesting",
                         address, "6.0", expansion_error);
      const std::string from = out[at];
      Result<Entry> entry = co_await look_up(settings_.virtual_alias_maps,
                                             from, settings_.extend_virtual);
      if (!entry)
        co_return refuse(queue_id, "virtual_alias_maps map lookup problem",
                         address, "6.0", expansion_error);
      if (!*entry) break;
      for (std::size_t i = 0; i < (*entry)->size(); ++i) {
        const std::string& target = (**entry)[i];
        if (target.size() > settings_.alias_length_limit)
          co_return refuse(queue_id,
                           "unreasonable virtual_alias_maps result " +
                               target.substr(0, 300) + "...",
                           address, "6.0", expansion_error);
        if (i == 0)
          out[at] = target;
        else
          out.push_back(target);
        if (key_of(target) == key_of(from)) settled.insert(key_of(from));
      }
      if (out.size() > limit)
        co_return refuse(queue_id,
                         "unreasonable virtual_alias_maps map expansion size",
                         address, "6.0", expansion_error);
    }
  }
  co_return std::move(out);
}

Task<Result<std::vector<std::string>>> Mapper::bcc(std::string maps,
                                                   std::string title,
                                                   std::string address,
                                                   std::string queue_id) {
  std::vector<std::string> none;
  if (maps.empty() || address.empty()) co_return std::move(none);
  Result<Entry> entry = co_await look_up(std::move(maps), address, false);
  if (!entry)
    co_return refuse(queue_id, title + " map lookup problem", address, "3.0",
                     mapping_error);
  if (!*entry) co_return std::move(none);
  co_return std::move(**entry);
}

}  // namespace postern::cleanup
