#include "common/dns/system_files.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::dns {
namespace {

// The words of a line, comment left out.
std::vector<std::string> words_of(std::string_view line,
                                  std::string_view comment) {
  return split_words(line.substr(0, line.find_first_of(comment)), " \t\r");
}

// Link-local addresses have a zone: "fe80::1%eth0".
std::string_view without_zone(std::string_view address) {
  return address.substr(0, address.find('%'));
}

std::optional<std::string> with_port(std::string_view address,
                                     std::string_view port) {
  if (family_of(without_zone(address)) == 0) return std::nullopt;
  const std::optional<std::int64_t> number = parse_number(port);
  if (!number || *number < 1 || *number > 65535) return std::nullopt;
  return fmt::format("{}@{}", address, *number);
}

}  // namespace

Families families_from(std::string_view inet_protocols) {
  bool v4 = false;
  bool v6 = false;
  for (const std::string& word : split_words(inet_protocols)) {
    v4 |= equal_nocase(word, "ipv4") || equal_nocase(word, "all");
    v6 |= equal_nocase(word, "ipv6") || equal_nocase(word, "all");
  }
  if (v4 == v6) return Families::both;
  return v4 ? Families::v4 : Families::v6;
}

bool includes(Families families, int family) {
  if (family == AF_INET) return families != Families::v6;
  return family == AF_INET6 && families != Families::v4;
}

std::optional<std::string> canonical_address(std::string_view text) {
  const std::string copy(text);
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, copy.c_str(), bytes.data()) == 1)
      return ::inet_ntop(family, bytes.data(), out.data(), out.size());
  return std::nullopt;
}

int family_of(std::string_view address) {
  if (!canonical_address(address)) return 0;
  return address.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
}

Hosts Hosts::parse(std::string_view text) {
  Hosts hosts;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = words_of(line, "#");
    if (words.size() < 2) continue;
    const auto address = canonical_address(without_zone(words[0]));
    if (!address) continue;
    hosts.names_.emplace(*address, words[1]);
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::vector<std::string>& list = hosts.addresses_[to_lower(words[i])];
      if (std::find(list.begin(), list.end(), *address) == list.end())
        list.push_back(*address);
    }
  }
  return hosts;
}

std::vector<std::string> Hosts::addresses(std::string_view name,
                                          Families families) const {
  std::vector<std::string> found;
  const auto entry = addresses_.find(to_lower(name));
  if (entry == addresses_.end()) return found;
  for (const std::string& address : entry->second)
    if (includes(families, family_of(address))) found.push_back(address);
  return found;
}

std::optional<std::string> Hosts::name_of(std::string_view address) const {
  const auto canonical = canonical_address(address);
  if (!canonical) return std::nullopt;
  const auto entry = names_.find(*canonical);
  if (entry == names_.end()) return std::nullopt;
  return entry->second;
}

FileStamp FileStamp::of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_mtim, info.st_ino, info.st_size};
}

bool FileStamp::operator==(const FileStamp& other) const {
  return modified.tv_sec == other.modified.tv_sec &&
         modified.tv_nsec == other.modified.tv_nsec && inode == other.inode &&
         size == other.size;
}

HostsFile::HostsFile(std::string path) : path_(std::move(path)) {}

const Hosts& HostsFile::current() {
  const FileStamp now = FileStamp::of(path_);
  if (now == stamp_) return hosts_;
  stamp_ = now;
  const Result<std::string> text = os::read_file(path_);
  hosts_ = text ? Hosts::parse(*text) : Hosts();
  return hosts_;
}

std::optional<std::string> server_from(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view address = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (rest.empty()) return with_port(address, "53");
    if (rest[0] != ':' && rest[0] != '@') return std::nullopt;
    return with_port(address, rest.substr(1));
  }
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos)
    return with_port(text.substr(0, at), text.substr(at + 1));
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon == text.rfind(':'))
    return with_port(text.substr(0, colon), text.substr(colon + 1));
  return with_port(text, "53");
}

std::vector<std::string> servers_of(std::string_view resolv_conf) {
  std::vector<std::string> servers;
  for (const std::string& line : split(resolv_conf, '\n')) {
    const std::vector<std::string> words = words_of(line, "#;");
    if (words.size() < 2 || words[0] != "nameserver") continue;
    if (const auto server = with_port(words[1], "53"))
      servers.push_back(*server);
  }
  if (servers.empty()) servers.emplace_back("127.0.0.1@53");
  return servers;
}

}  // namespace postern::dns
