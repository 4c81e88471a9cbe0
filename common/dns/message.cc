#include "common/dns/message.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "common/base/text.h"

namespace postern::dns {
namespace {

constexpr std::pair<Type, std::string_view> type_names[] = {
    {Type::a, "A"},     {Type::ns, "NS"},     {Type::cname, "CNAME"},
    {Type::soa, "SOA"}, {Type::ptr, "PTR"},   {Type::mx, "MX"},
    {Type::txt, "TXT"}, {Type::aaaa, "AAAA"}, {Type::srv, "SRV"}, {Type::tlsa, "TLSA"},
};

// Reads forward through a message; ok() is false after a read past the end.
class Cursor {
 public:
  Cursor(std::string_view message, std::size_t at)
      : message_(message), at_(at) {}

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }

  std::uint8_t byte() {
    if (at_ >= message_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::uint8_t>(message_[at_++]);
  }
  std::uint16_t word() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  std::uint32_t longword() {
    const std::uint32_t high = word();
    return high << 16 | word();
  }
  std::string_view take(std::size_t size) {
    if (!ok_ || size > message_.size() - at_) {
      ok_ = false;
      return {};
    }
    const std::string_view out = message_.substr(at_, size);
    at_ += size;
    return out;
  }
  std::string name();

 private:
  std::string_view message_;
  std::size_t at_;
  bool ok_ = true;
};

void append_label(std::string& name, std::string_view label) {
  if (!name.empty()) name += '.';
  for (const char c : label) {
    if (c == '.' || c == '\\')
      name += std::string("\\") + c;
    else if (c > ' ' && is_print(c))
      name += c;
    else
      name += fmt::format("\\{:03}", static_cast<unsigned char>(c));
  }
}

// RFC 1035 section 4.1.4. A pointer may only point before itself, and a name
// has at most 255 octets, so this ends.
std::string Cursor::name() {
  std::string name;
  std::size_t octets = 0;
  std::size_t position = at_;
  std::size_t lowest = at_;
  bool jumped = false;
  while (ok_ && octets < 256) {
    if (position >= message_.size()) break;
    const auto length = static_cast<std::uint8_t>(message_[position]);
    if (length >= 0xc0) {
      if (position + 1 >= message_.size()) break;
      const std::size_t target =
          static_cast<std::size_t>(length & 0x3f) << 8 |
          static_cast<std::uint8_t>(message_[position + 1]);
      if (!jumped) at_ = position + 2;
      jumped = true;
      if (target >= lowest) break;
      lowest = position = target;
    } else if (length >= 0x40) {
      break;
    } else if (length == 0) {
      if (!jumped) at_ = position + 1;
      return name;
    } else {
      if (length > message_.size() - position - 1) break;
      append_label(name, message_.substr(position + 1, length));
      position += length + 1u;
      octets += length + 1u;
    }
  }
  ok_ = false;
  return {};
}

template <int family, std::size_t size>
std::string address(Cursor& data) {
  const std::string_view bytes = data.take(size);
  if (bytes.size() != size) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, bytes.data(), text.data(), text.size());
  return text.data();
}

std::string texts(Cursor& data, std::size_t end) {
  std::string joined;
  while (data.ok() && data.at() < end) joined += data.take(data.byte());
  return printable(joined);
}

std::string soa(Cursor& data) {
  const std::string server = data.name();
  const std::string mailbox = data.name();
  std::string text = server + ". " + mailbox + ".";
  for (int i = 0; i < 5; ++i) text += fmt::format(" {}", data.longword());
  return text;
}

// RFC 2782: "10 60 587 mail.example.com.".
std::string srv(Cursor& data) {
  const int priority = data.word();
  const int weight = data.word();
  const int port = data.word();
  return fmt::format("{} {} {} {}.", priority, weight, port, data.name());
}

// RFC 6698 section 2.2: "3 1 1 0A1B…".
std::string tlsa(Cursor& data, std::size_t end) {
  std::string text = fmt::format("{} ", data.byte());
  text += fmt::format("{} ", data.byte());
  text += fmt::format("{} ", data.byte());
  while (data.ok() && data.at() < end)
    text += fmt::format("{:02X}", data.byte());
  return text;
}

// The record's data, which lie between the cursor and `end`.
void read_data(Cursor& data, std::size_t end, Record& record) {
  switch (record.type) {
    case Type::a:
      record.value = address<AF_INET, 4>(data);
      break;
    case Type::aaaa:
      record.value = address<AF_INET6, 16>(data);
      break;
    case Type::mx:
      record.preference = data.word();
      record.value = data.name();
      break;
    case Type::ns:
    case Type::cname:
    case Type::ptr:
      record.value = data.name();
      break;
    case Type::txt:
      record.value = texts(data, end);
      break;
    case Type::soa:
      record.value = soa(data);
      break;
    case Type::srv:
      record.value = srv(data);
      break;
    case Type::tlsa:
      record.value = tlsa(data, end);
      break;
  }
}

bool known(std::uint16_t type) {
  for (const auto& [value, name] : type_names)
    if (static_cast<std::uint16_t>(value) == type) return true;
  return false;
}

// False when the message ends within the record or its data are malformed.
bool read_record(std::string_view bytes, Cursor& cursor, Message& message) {
  Record record;
  record.owner = to_lower(cursor.name());
  const std::uint16_t type = cursor.word();
  const std::uint16_t record_class = cursor.word();
  record.ttl = cursor.longword();
  const std::size_t size = cursor.word();
  const std::size_t begin = cursor.at();
  cursor.take(size);
  if (!cursor.ok()) return false;
  if (record_class != 1 || !known(type)) return true;
  record.type = static_cast<Type>(type);
  Cursor data(bytes.substr(0, begin + size), begin);
  read_data(data, begin + size, record);
  if (!data.ok() || data.at() != begin + size) return false;
  message.answers.push_back(std::move(record));
  return true;
}

}  // namespace

std::optional<Type> type_from(std::string_view name) {
  for (const auto& [type, text] : type_names)
    if (equal_nocase(text, name)) return type;
  return std::nullopt;
}

std::string_view name_of(Type type) {
  for (const auto& [value, text] : type_names)
    if (value == type) return text;
  return "?";
}

std::string Record::presentation() const {
  switch (type) {
    case Type::mx:
      return fmt::format("{} {}.", preference, value);
    case Type::ns:
    case Type::cname:
    case Type::ptr:
      return value + ".";
    default:
      return value;
  }
}

std::optional<Message> parse_message(std::string_view bytes) {
  Cursor cursor(bytes, 2);
  Message message;
  message.rcode = static_cast<Rcode>(cursor.word() & 0x0f);
  const std::uint16_t questions = cursor.word();
  const std::uint16_t answers = cursor.word();
  cursor.longword();  // counts of the other sections
  for (int i = 0; i < questions && cursor.ok(); ++i) {
    cursor.name();
    cursor.longword();
  }
  for (int i = 0; i < answers && cursor.ok(); ++i)
    if (!read_record(bytes, cursor, message)) return std::nullopt;
  if (!cursor.ok()) return std::nullopt;
  return message;
}

}  // namespace postern::dns
