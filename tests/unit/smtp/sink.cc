#include "tests/unit/smtp/sink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/text.h"
#include "common/loop/connect.h"

namespace postern::smtp::test {
namespace {

constexpr Seconds patience(10);

std::string verb_of(const std::string& line) {
  return to_upper(line.substr(0, line.find_first_of(" :")));
}

Task<std::string> read_line(Stream* stream, std::size_t* reads) {
  for (;;) {
    const std::string_view input = stream->buffered();
    const std::size_t end = input.find("\r\n");
    if (end != std::string_view::npos) {
      std::string line(input.substr(0, end));
      stream->consume(end + 2);
      co_return line;
    }
    co_await stream->fill(patience);
    ++*reads;
  }
}

void say(Stream* stream, const std::string& reply) {
  for (const std::string& line : split(reply, '\n')) stream->put(line + "\r\n");
  stream->push();
}

}  // namespace

Sink::Sink(Script script) : script_(std::move(script)) {
  if (script_.path.empty())
    listen_on_port();
  else
    listen_on_path();
  require(::listen(listener_.get(), 10) == 0, "listen");
  watch_ = std::make_unique<Watch>(listener_.get(), Watch::read, false,
                                   [this](short) { accept(); });
}

void Sink::listen_on_port() {
  listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  require(::bind(listener_.get(), generic, size) == 0, "bind");
  ::getsockname(listener_.get(), generic, &size);
  port_ = ntohs(address.sin_port);
}

void Sink::listen_on_path() {
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const Result<SocketAddress> address = SocketAddress::unix_path(script_.path);
  require(::bind(listener_.get(), address->get(), address->length) == 0,
          "bind");
}

Sink::~Sink() = default;

std::string Sink::next_hop() const {
  return "[127.0.0.1]:" + std::to_string(port_);
}

void Sink::accept() {
  const int fd = ::accept(listener_.get(), nullptr, nullptr);
  if (fd < 0) return;
  sessions_.emplace_back();
  serving_.start(serve(fd, &sessions_.back()));
}

Task<void> Sink::serve(int fd, std::vector<std::string>* told) {
  Stream stream{Fd(fd)};
  try {
    co_await converse(&stream, told);
  } catch (const Hangup&) {
  }
}

std::string Sink::answer_to(const std::string& line, std::string otherwise) {
  for (Script::Rule& rule : script_.rules)
    if (rule.times > 0 && starts_with_nocase(line, rule.prefix)) {
      --rule.times;
      return rule.reply;
    }
  return otherwise;
}

std::string Sink::announcement() const {
  std::string out = script_.offers.empty() ? "250 mx.test" : "250-mx.test";
  for (std::size_t i = 0; i < script_.offers.size(); ++i)
    out += (i + 1 < script_.offers.size() ? "\n250-" : "\n250 ") +
           script_.offers[i];
  return out;
}

Task<void> Sink::converse(Stream* stream, std::vector<std::string>* told) {
  const std::string banner = answer_to("CONNECT", script_.banner);
  if (banner == "close") co_return;
  if (banner != "silence") say(stream, banner);
  std::vector<std::string> accepted;
  for (;;) {
    const std::string line = co_await read_line(stream, &reads_);
    told->push_back(line);
    const std::string verb = verb_of(line);
    std::string usual = "250 2.0.0 Ok";
    if (verb == "EHLO" || verb == "LHLO") usual = announcement();
    if (verb == "MAIL") usual = "250 2.1.0 Ok";
    if (verb == "RCPT") usual = "250 2.1.5 Ok";
    if (verb == "QUIT") usual = "221 2.0.0 Bye";
    if (verb == "DATA")
      usual = accepted.empty() ? "554 5.5.1 No valid recipients" : "354 Go";
    const std::string reply = answer_to(line, usual);
    if (reply == "close") co_return;
    if (reply != "silence") say(stream, reply);
    if (verb == "QUIT") co_return;
    if (verb == "STARTTLS" && reply[0] == '2') co_return;
    if (verb == "RCPT" && reply[0] == '2') accepted.push_back(line);
    if (verb != "DATA" || reply[0] != '3') continue;
    for (;;) {
      const std::string text = co_await read_line(stream, &reads_);
      told->push_back(text == "." ? "." : "| " + text);
      if (text == ".") break;
    }
    const std::size_t verdicts = script_.lmtp ? accepted.size() : 1;
    for (std::size_t i = 0; i < verdicts; ++i) {
      const std::string about =
          script_.lmtp ? ". " + accepted[i].substr(8) : ".";
      const std::string verdict = answer_to(about, "250 2.0.0 Ok: taken");
      if (verdict == "close") co_return;
      say(stream, verdict);
    }
    accepted.clear();
  }
}

}  // namespace postern::smtp::test
