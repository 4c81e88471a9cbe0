// What the administrator tells every resolver of the machine: /etc/hosts
// (hosts(5)) and /etc/resolv.conf (resolv.conf(5)).
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::dns {

enum class Families { v4, v6, both };

// inet_protocols (postconf(5)): "all", "ipv4", "ipv6", or a list of these.
Families families_from(std::string_view inet_protocols);
bool includes(Families families, int family);

// A numeric address in its canonical text, or nullopt: "::0001" -> "::1".
std::optional<std::string> canonical_address(std::string_view text);
// AF_INET, AF_INET6, or 0 when it is no address.
int family_of(std::string_view address);

// The content of a hosts file.
class Hosts {
 public:
  static Hosts parse(std::string_view text);

  // In the order of the file, without doubles; `name` in any case.
  std::vector<std::string> addresses(std::string_view name,
                                     Families families) const;
  // The first name of the first line with this address.
  std::optional<std::string> name_of(std::string_view address) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> addresses_;
  std::map<std::string, std::string, std::less<>> names_;
};

// When a file was last changed, to notice that it was again.
struct FileStamp {
  timespec modified{};
  std::uint64_t inode = 0;
  std::int64_t size = -1;  // -1: there is none

  static FileStamp of(const std::string& path);
  bool operator==(const FileStamp& other) const;
};

// A hosts file that is read again when it has changed. A missing file is an
// empty one.
class HostsFile {
 public:
  explicit HostsFile(std::string path = "/etc/hosts");
  // Good until the next call.
  const Hosts& current();

 private:
  std::string path_;
  FileStamp stamp_;
  Hosts hosts_;
};

// A name server as libunbound is told: "192.0.2.1@5353".
//
// From an element of dns_servers: `address`, `address@port`, `address:port`
// (IPv4 only), `[address]`, `[address]:port`. nullopt when it is none of these.
std::optional<std::string> server_from(std::string_view text);

// The name servers of a resolv.conf; the machine itself when there are none.
std::vector<std::string> servers_of(std::string_view resolv_conf);

}  // namespace postern::dns
