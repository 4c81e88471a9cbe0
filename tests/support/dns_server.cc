#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/dns/message.h"

namespace postern::test {
namespace {

std::string word(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string packed(const std::string& name) {
  std::string out;
  for (const std::string& label : split(name, '.'))
    if (!label.empty()) out += static_cast<char>(label.size()) + label;
  return out + '\0';
}

std::string numeric(int family, const std::string& text, std::size_t size) {
  std::array<char, 16> bytes{};
  require(::inet_pton(family, text.c_str(), bytes.data()) == 1,
          "test zone: bad address " + text);
  return {bytes.data(), size};
}

std::string data_of(const std::string& type, const std::string& value) {
  if (type == "A") return numeric(AF_INET, value, 4);
  if (type == "AAAA") return numeric(AF_INET6, value, 16);
  if (type == "TXT") return static_cast<char>(value.size()) + value;
  if (type != "MX") return packed(value);
  const std::vector<std::string> words = split_words(value, " ");
  return word(static_cast<unsigned>(*parse_number(words[0]))) +
         packed(words[1] == "." ? "" : words[1]);
}

std::string record(const std::string& owner, const std::string& type,
                   const std::string& value) {
  const std::string data = data_of(type, value);
  return packed(owner) + word(static_cast<unsigned>(*dns::type_from(type))) +
         word(1) + word(0) + word(60) +
         word(static_cast<unsigned>(data.size())) + data;
}

}  // namespace

DnsServer::DnsServer(std::string_view zone) {
  for (const std::string& text : split(zone, '\n')) {
    const std::vector<std::string> words = split_words(text, " ");
    if (words.empty()) continue;
    const std::vector<std::string> rest(words.begin() + 2, words.end());
    zone_[words[0]].push_back({words[1], join(rest, " ")});
  }
  socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  require(::bind(socket_.get(), generic, length) == 0, "test server: bind");
  ::getsockname(socket_.get(), generic, &length);
  port_ = ntohs(address.sin_port);
  watch_ = std::make_unique<Watch>(socket_.get(), Watch::read, false,
                                   [this](short) { answer_one(); });
}

std::string DnsServer::address() const {
  return "127.0.0.1@" + std::to_string(port_);
}

void DnsServer::answer_one() {
  std::array<char, 4096> buffer{};
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  auto* generic = reinterpret_cast<sockaddr*>(&peer);
  const ssize_t size = ::recvfrom(socket_.get(), buffer.data(), buffer.size(),
                                  0, generic, &length);
  if (size < 12) return;
  ++questions_;
  const std::string out =
      reply({buffer.data(), static_cast<std::size_t>(size)});
  if (!out.empty())
    ::sendto(socket_.get(), out.data(), out.size(), 0, generic, length);
}

void DnsServer::collect(const std::string& name, const std::string& type,
                        std::string& answers, int& count) {
  const auto entry = zone_.find(name);
  if (entry == zone_.end() || count > 50) return;
  for (const Line& line : entry->second) {
    if (line.type != type && line.type != "CNAME") continue;
    answers += record(name, line.type, line.value);
    ++count;
    if (line.type != type) collect(line.value, type, answers, count);
  }
}

std::string DnsServer::reply(std::string_view packet) {
  std::string name;
  std::size_t at = 12;
  while (packet.at(at) != 0) {
    const auto size = static_cast<std::size_t>(packet[at]);
    if (!name.empty()) name += '.';
    name += to_lower(packet.substr(at + 1, size));
    at += size + 1;
  }
  const std::string_view question = packet.substr(12, at + 5 - 12);
  const auto number = static_cast<dns::Type>(
      static_cast<unsigned char>(packet.at(at + 1)) << 8 |
      static_cast<unsigned char>(packet.at(at + 2)));

  const auto entry = zone_.find(name);
  const std::string behaviour =
      entry == zone_.end() ? "" : entry->second.front().type;
  if (behaviour == "TIMEOUT") return {};
  unsigned rcode = behaviour == "SERVFAIL" ? 2 : behaviour == "REFUSED" ? 5 : 0;
  std::string answers;
  int count = 0;
  if (rcode == 0) collect(name, std::string(name_of(number)), answers, count);
  if (entry == zone_.end()) {
    rcode = 3;
    for (const auto& [other, lines] : zone_)
      if (other.ends_with("." + name)) rcode = 0;
  }
  const unsigned recursion = static_cast<unsigned char>(packet[2]) & 1u;
  return std::string(packet.substr(0, 2)) +
         word(0x8480 | recursion << 8 | rcode) + word(1) +
         word(static_cast<unsigned>(count)) + word(0) + word(0) +
         std::string(question) + answers;
}

}  // namespace postern::test
