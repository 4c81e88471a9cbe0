#include "tests/unit/smtpd/harness.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <stdexcept>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::smtpd::test {
namespace {

constexpr Millis frame_limit = Seconds(20);

std::pair<Fd, Fd> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::runtime_error("socketpair");
  return {Fd(ends[0]), Fd(ends[1])};
}

// The last line of the n-th reply ends here; npos: it has not come.
std::size_t end_of_replies(const std::string& text, int replies) {
  std::size_t at = 0;
  while (replies > 0) {
    const std::size_t end = text.find("\r\n", at);
    if (end == std::string::npos) return end;
    if (end - at >= 4 && text[at + 3] == ' ') --replies;
    at = end + 2;
  }
  return at;
}

}  // namespace

Task<Result<Fd>> FakeAuthServer::connect(Millis) {
  if (!down.empty()) co_return try_later("4.1", down);
  auto [near, far] = socket_pair();
  auto peer = std::make_shared<Stream>(std::move(far));
  peers_.push_back(peer);
  ++connections;
  nursery_.start(serve(peer));
  co_return std::move(near);
}

Task<void> FakeAuthServer::serve(std::shared_ptr<Stream> peer) {
  try {
    peer->put(handshake);
    co_await peer->flush(frame_limit);
    for (;;) {
      const std::size_t end = peer->buffered().find('\n');
      if (end == std::string_view::npos) {
        co_await peer->fill(frame_limit);
        continue;
      }
      const std::string line(peer->buffered().substr(0, end));
      peer->consume(end + 1);
      heard.push_back(line);
      peer->put(answer(line));
      co_await peer->flush(frame_limit);
    }
  } catch (const Hangup&) {
  }
}

// PLAIN with alice's password, LOGIN in two steps; everything else fails.
std::string FakeAuthServer::alice(const std::string& line) {
  const std::vector<std::string> fields = split(line, '\t');
  const std::string id = fields.size() > 1 ? fields[1] : "";
  const auto fail = [&] { return "FAIL\t" + id + "\tuser=alice\n"; };
  if (fields[0] == "CONT") {
    if (fields[2] == "YWxpY2U=") return "CONT\t" + id + "\tUGFzc3dvcmQ6\n";
    if (fields[2] == "c2VjcmV0") return "OK\t" + id + "\tuser=alice\n";
    return fail();
  }
  if (fields[0] != "AUTH") return "";
  const std::string last = fields.back();
  if (fields[2] == "LOGIN") return "CONT\t" + id + "\tVXNlcm5hbWU6\n";
  if (!last.starts_with("resp=")) return "CONT\t" + id + "\t\n";
  if (last == "resp=AGFsaWNlAHNlY3JldA==")
    return "OK\t" + id + "\tuser=alice\n";
  return fail();
}

FakeSurroundings::~FakeSurroundings() = default;

Task<ipc::ClientNameAnswer> FakeSurroundings::client_name(
    std::string address) {
  const bool known = address == "127.0.0.1";
  ipc::ClientNameAnswer answer;
  answer.name = answer.reverse_name = known ? "localhost" : "unknown";
  answer.name_code = answer.reverse_code = known ? 2 : 5;
  answer.warning = name_warning;
  co_return answer;
}

Task<Result<ipc::AnvilAnswer>> FakeSurroundings::count(std::string event,
                                                       std::string client) {
  events.push_back(event + " " + client);
  ipc::AnvilAnswer answer;
  answer.count = anvil_count;
  answer.rate = anvil_rate;
  co_return answer;
}

Task<Result<ipc::TableAnswer>> FakeSurroundings::find(
    ipc::TableFind question) {
  if (tables_broken) co_return try_later("3.0", "table is broken");
  ipc::TableAnswer answer;
  for (const std::string& key : question.keys) {
    const auto found = table.find(to_lower(key));
    if (found == table.end()) continue;
    answer.found = true;
    answer.value = found->second;
    break;
  }
  co_return answer;
}

// here.test is ours, relay.test is relayed for.
Task<Result<route::Resolved>> FakeSurroundings::resolve(
    std::string, std::string recipient) {
  const mail::AddressParts parts = mail::split_address(recipient);
  route::Resolved out;
  out.recipient = recipient;
  out.routed = parts.local.find_first_of("@%!") != std::string_view::npos;
  out.address_class = !parts.has_at || parts.domain == "here.test"
                          ? route::AddressClass::local
                      : parts.domain == "relay.test"
                          ? route::AddressClass::relay
                          : route::AddressClass::other;
  if (recipient.starts_with("trouble@"))
    co_return try_later("3.0", "transport maps are broken");
  co_return out;
}

Task<Result<route::Router::Known>> FakeSurroundings::known(
    std::string recipient, route::Resolved resolved) {
  route::Router::Known out;
  out.known = resolved.address_class != route::AddressClass::local ||
              !recipient.starts_with("ghost");
  if (!out.known) {
    out.text = "User unknown in local recipient table";
    out.reject_code_parameter = "unknown_local_recipient_reject_code";
  }
  co_return out;
}

Task<ipc::DnsAnswer> FakeSurroundings::dns(std::string name,
                                           std::string type) {
  asked_dns.push_back(type + " " + name);
  ipc::DnsAnswer answer;
  answer.status = "nxdomain";
  const auto found = zone.find(type + " " + name);
  if (found != zone.end() && found->second.front() == "servfail") {
    answer.status = "servfail";
    answer.text = "Host not found, try again";
  } else if (found != zone.end()) {
    answer.status = "ok";
    answer.records = found->second;
  }
  co_return answer;
}

Task<ipc::MailHostsAnswer> FakeSurroundings::host(std::string name) {
  ipc::MailHostsAnswer answer;
  const auto found = zone.find("A " + name);
  if (found == zone.end())
    answer.trouble = ipc::TroubleWire::from(give_up("4.4", "Host not found"));
  else
    for (const std::string& address : found->second)
      answer.addresses.push_back({name, address, 0});
  co_return answer;
}

Task<Result<ipc::VerifyAnswer>> FakeSurroundings::verify(
    ipc::VerifyFind question) {
  const auto found = verified.find(question.address);
  if (found == verified.end()) co_return try_later("3.0", "no verify service");
  co_return found->second;
}

Task<Result<std::string>> FakeSurroundings::policy(const PolicyService*,
                                                   std::string request) {
  policy_requests.push_back(std::move(request));
  if (policy_action.empty()) co_return try_later("3.0", "refused");
  co_return policy_action;
}

Task<Result<ipc::FlushAnswer>> FakeSurroundings::flush(std::string site) {
  ipc::FlushAnswer answer;
  answer.status = site == "relay.test" ? "ok" : "deny";
  co_return answer;
}

Task<Result<ipc::RoomAnswer>> FakeSurroundings::room(std::int64_t) {
  ipc::RoomAnswer answer;
  answer.why = no_room;
  answer.room = no_room.empty();
  co_return answer;
}

Task<Result<std::unique_ptr<ipc::Link>>>
FakeSurroundings::borrow_content_link() {
  if (!idle.empty()) {
    std::unique_ptr<ipc::Link> link = std::move(idle.back());
    idle.pop_back();
    co_return std::move(link);
  }
  auto [near, far] = socket_pair();
  far_ends_.push_back(std::make_unique<ipc::Link>(
      std::move(far), Role::cleanup, Role::smtpd, "smtpd"));
  ++links_made;
  nursery_.start(cleanup(far_ends_.back().get()));
  co_return std::make_unique<ipc::Link>(std::move(near), Role::smtpd,
                                        Role::cleanup, "cleanup");
}

void FakeSurroundings::give_back(std::unique_ptr<ipc::Link> link) {
  idle.push_back(std::move(link));
}

Task<void> FakeSurroundings::cleanup(ipc::Link* link) {
  for (;;) {
    std::optional<ipc::Frame> frame = co_await link->next(frame_limit);
    if (!frame) co_return;
    while (cleanup_stuck) {
      co_await pause(Millis(5));
    }
    if (auto begin = frame->as<ipc::MessageBegin>()) {
      ipc::MessageBegun begun;
      begun.queue_id = "Q" + std::to_string(messages.size() + 1);
      begun.trouble = begin_trouble;
      if (!begin_trouble.present) {
        messages.emplace_back();
        messages.back().begin = std::move(*begin);
      }
      link->reply(frame->id, begun);
    } else if (auto recipient = frame->as<ipc::MessageRecipient>()) {
      messages.back().recipients.push_back(std::move(*recipient));
    } else if (auto content = frame->as<ipc::MessageContent>()) {
      messages.back().content += content->bytes;
      ++messages.back().frames;
    } else if (auto mark = frame->as<ipc::MessageMark>()) {
      messages.back().mark = std::move(*mark);
    } else if (frame->is<ipc::MessageEnd>()) {
      if (break_before_verdict) {
        link->close();
        co_return;
      }
      messages.back().ended = true;
      ipc::MessageVerdict verdict;
      verdict.trouble = verdict_trouble;
      link->reply(frame->id, verdict);
    }
  }
}

Harness::Harness(const std::string& settings, const std::string& address) {
  log::set_recorder([this](std::string_view, log::Severity severity,
                           std::string_view text) {
    if (severity == log::Severity::warning) lines_ += "warning: ";
    lines_ += text;
    lines_ += '\n';
  });
  auto config = config::Config::parse(
      "myhostname = mail.here.test\nmynetworks = 127.0.0.1/32\n"
      "mydestination = here.test\nmail_name = Postfix\n"
      "inet_interfaces = 127.0.0.1\nsmtpd_error_sleep_time = 0\n"
      "compatibility_level = 3.6\nsmtpd_forbid_unauth_pipelining = no\n" +
          settings,
      "/nonexistent");
  if (!config) throw std::runtime_error(config.trouble().text);
  auto read = std::make_shared<Settings>(Settings::read(*config, log_));
  read->open_tables();
  around_ = std::make_unique<FakeSurroundings>();
  auto [near, far] = socket_pair();
  client_ = std::move(far);
  ::fcntl(client_.get(), F_SETFL, O_NONBLOCK);
  Client client;
  client.address = address;
  client.port = "4000";
  session_ = std::make_unique<Session>(std::move(near), client, read, *around_,
                                       log_, "smtp");
}

// Only now, so that a test can say first what the surroundings answer.
void Harness::begin() {
  if (begun_) return;
  begun_ = true;
  nursery_.start(session_->run());
}

Harness::~Harness() { log::set_recorder({}); }

void Harness::take() {
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(client_.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    heard_.append(buffer, static_cast<std::size_t>(n));
  }
}

void Harness::send(const std::string& text) {
  begin();
  std::size_t at = 0;
  loop_.run_until([&] {
    const ssize_t n = ::send(client_.get(), text.data() + at, text.size() - at,
                             MSG_NOSIGNAL);
    if (n > 0) at += static_cast<std::size_t>(n);
    return at == text.size() || nursery_.empty();
  });
}

std::string Harness::hear(int replies) {
  begin();
  loop_.run_until([&] {
    take();
    return nursery_.empty() ||
           end_of_replies(heard_, replies) != std::string::npos;
  });
  take();
  const std::size_t end = std::min(heard_.size(),
                                   end_of_replies(heard_, replies));
  const std::string text = replace_all(heard_.substr(0, end), "\r\n", "\n");
  heard_.erase(0, end);
  return text;
}

std::string Harness::say(const std::string& text, int replies) {
  send(text);
  return hear(replies);
}

std::string Harness::finish() {
  begin();
  loop_.run_until([&] {
    take();
    return nursery_.empty();
  });
  take();
  return replace_all(std::exchange(heard_, ""), "\r\n", "\n");
}

void Harness::hang_up() { client_.reset(); }

}  // namespace postern::smtpd::test
