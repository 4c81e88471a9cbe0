#include "tools/records.h"

#include <fmt/core.h>

#include <cstdint>

namespace postern::tools {
namespace {

constexpr std::size_t longest_record = 1u << 20;
// Three groups reach beyond the longest record.
constexpr int most_groups = 3;

}  // namespace

void put_record(std::string& out, char type, std::string_view data) {
  out += type;
  std::size_t rest = data.size();
  do {
    const std::size_t group = rest & 0x7f;
    rest >>= 7;
    out += static_cast<char>(group | (rest != 0 ? 0x80 : 0));
  } while (rest != 0);
  out += data;
}

Status RecordReader::need(std::size_t size) {
  while (unread() < size && !ended_) {
    Result<std::string> more = source_();
    if (!more) return more.trouble();
    if (more->empty()) ended_ = true;
    buffer_.erase(0, at_);
    at_ = 0;
    buffer_ += *more;
  }
  return {};
}

Result<std::optional<Record>> RecordReader::next() {
  if (const Status ready = need(1); !ready) return ready.trouble();
  if (unread() == 0) return std::optional<Record>();
  const auto cut_short = [](char type) {
    return give_up("6.0", fmt::format("unexpected EOF in data, record type {}",
                                      static_cast<unsigned char>(type)));
  };
  Record record;
  record.type = buffer_[at_++];
  std::size_t size = 0;
  for (int group = 0;; ++group) {
    if (group == most_groups)
      return give_up("6.0", fmt::format("record type {}: too long",
                                        static_cast<unsigned char>(record.type)));
    if (const Status ready = need(1); !ready) return ready.trouble();
    if (unread() == 0) return cut_short(record.type);
    const auto byte = static_cast<unsigned char>(buffer_[at_++]);
    size |= static_cast<std::size_t>(byte & 0x7f) << (7 * group);
    if ((byte & 0x80) == 0) break;
  }
  if (size > longest_record)
    return give_up("6.0", fmt::format("record type {}: too long",
                                      static_cast<unsigned char>(record.type)));
  if (const Status ready = need(size); !ready) return ready.trouble();
  if (unread() < size) return cut_short(record.type);
  record.data = buffer_.substr(at_, size);
  at_ += size;
  return std::optional<Record>(std::move(record));
}

}  // namespace postern::tools
