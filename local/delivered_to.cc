#include "local/delivered_to.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/header.h"
#include "common/os/files.h"

namespace postern::local {
namespace {

constexpr std::int64_t first_read = 16 * 1024;
// A header section beyond this is not searched.
constexpr std::int64_t most_read = 4 * 1024 * 1024;

// Where the header section ends, as far as the text goes.
bool has_whole_head(std::string_view text) {
  return text.find("\n\n") != std::string_view::npos;
}

}  // namespace

DeliveredTo DeliveredTo::parse(std::string_view head) {
  DeliveredTo found;
  const auto note = [&](const std::optional<mail::Header>& header) {
    if (!header || !equal_nocase(header->name(), "Delivered-To")) return;
    found.addresses_.insert(
        mail::fold_key(mail::unquote_local(trim(header->value()))));
  };
  mail::HeaderSplitter splitter;
  while (!head.empty()) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    std::optional<mail::Header> completed;
    const auto line = splitter.feed(head.substr(0, end), completed);
    note(completed);
    if (line != mail::HeaderSplitter::Line::header) return found;
    head.remove_prefix(std::min(end + 1, head.size()));
  }
  note(splitter.finish());
  return found;
}

Result<DeliveredTo> DeliveredTo::read(int fd, std::int64_t offset,
                                      std::int64_t size) {
  std::string head;
  for (std::int64_t want = first_read;; want *= 8) {
    const std::int64_t bytes = std::min({want, size, most_read});
    Result<std::string> text = os::read_at(fd, static_cast<std::size_t>(bytes),
                                           offset, "error reading message");
    if (!text) return text.trouble();
    head = std::move(*text);
    if (has_whole_head(head) || bytes >= size || bytes >= most_read) break;
  }
  return parse(head);
}

bool DeliveredTo::contains(std::string_view address) const {
  return addresses_.contains(mail::fold_key(address));
}

}  // namespace postern::local
