#include "lookup/dialer.h"

#include <netdb.h>
#include <netinet/in.h>

#include "common/base/text.h"
#include "common/loop/connect.h"

namespace postern::lookup {
namespace {

constexpr Millis longest{60'000};

// 0: no such port.
int port_number(const std::string& port) {
  if (const auto number = parse_number(port))
    return *number > 0 && *number < 65536 ? static_cast<int>(*number) : 0;
  servent found{};
  servent* result = nullptr;
  char buffer[4096];
  if (::getservbyname_r(port.c_str(), "tcp", &found, buffer, sizeof buffer,
                        &result) != 0 ||
      result == nullptr)
    return 0;
  return ntohs(static_cast<std::uint16_t>(result->s_port));
}

ipc::DialAnswer failed(const Trouble& trouble) {
  ipc::DialAnswer answer;
  answer.trouble = ipc::TroubleWire::from(trouble);
  return answer;
}

}  // namespace

Dialer::Dialer(Names& names, Grants grants, log::Log log)
    : names_(names), grants_(std::move(grants)), log_(std::move(log)) {}

bool Dialer::allowed(Role role, const std::string& service,
                     const ipc::DialHost& question) const {
  config::Endpoint endpoint;
  endpoint.kind = config::Endpoint::Kind::host;
  endpoint.host = question.host;
  endpoint.port = question.port;
  if (config::is_granted(grants_(role, service), endpoint)) return true;
  log_.warning("the {} service asked for a connection to {}, which its "
               "configuration does not name", service, endpoint.text());
  return false;
}

Task<ipc::DialAnswer> Dialer::dial(Role role, std::string service,
                                   ipc::DialHost question) {
  const std::string target = question.host + ":" + question.port;
  if (!allowed(role, service, question))
    co_return failed(
        give_up("3.0", "the configuration does not name " + target));
  const int port = port_number(question.port);
  if (port == 0)
    co_return failed(try_later("4.4", "no such port: " + question.port));
  const Millis limit = std::min(std::max(question.limit, Millis(1)), longest);
  const Clock::time_point deadline = Clock::now() + limit;
  std::vector<std::string> addresses;
  if (SocketAddress::ip(question.host, port)) {
    addresses.push_back(question.host);
  } else {
    ipc::MailHostsFind find;
    find.domain = question.host;
    find.use_mx = false;
    find.native = true;
    ipc::MailHostsAnswer found = co_await names_.mail_hosts(std::move(find));
    if (found.trouble.present) co_return failed(found.trouble.trouble());
    for (const ipc::HostAddress& each : found.addresses)
      addresses.push_back(each.address);
  }
  Trouble trouble = try_later("4.1", question.host + " has no address");
  for (const std::string& address : addresses) {
    const auto left =
        std::chrono::duration_cast<Millis>(deadline - Clock::now());
    if (left <= Millis(0)) break;
    Result<SocketAddress> to = SocketAddress::ip(address, port);
    if (!to) continue;
    Result<Fd> made = co_await connect_to(*to, left, std::nullopt);
    if (made) {
      ipc::DialAnswer answer;
      answer.socket = std::move(*made);
      co_return std::move(answer);
    }
    trouble = made.trouble();
  }
  co_return failed(trouble);
}

}  // namespace postern::lookup
