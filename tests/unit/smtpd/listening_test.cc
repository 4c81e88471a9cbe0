#include "smtpd/listening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstring>

using namespace postern;
using namespace postern::smtpd;

namespace {

struct Pair {
  Fd left, right;
};

Pair unix_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

// A connection over loopback, and the listener it came by.
struct Tcp {
  Fd listener, client, server;
};

Tcp tcp_pair() {
  Tcp out;
  out.listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(out.listener.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof address) == 0);
  REQUIRE(::listen(out.listener.get(), 8) == 0);
  socklen_t length = sizeof address;
  ::getsockname(out.listener.get(), reinterpret_cast<sockaddr*>(&address),
                &length);
  out.client = Fd(::socket(AF_INET, SOCK_STREAM, 0));
  REQUIRE(::connect(out.client.get(), reinterpret_cast<sockaddr*>(&address),
                    sizeof address) == 0);
  return out;
}

void pass(int over, int descriptor) {
  char byte = 'x';
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  REQUIRE(::sendmsg(over, &message, 0) == 1);
}

Task<void> receive(int socket, Fd* out, bool* done) {
  *out = co_await passed_descriptor(socket);
  *done = true;
}

}  // namespace

TEST_CASE("a client is known by both ends of its connection") {
  Loop loop;
  const log::Log log("postern/smtpd");
  Tcp tcp = tcp_pair();
  Listener listener;
  listener.type = "inet";
  listener.socket = std::move(tcp.listener);
  Fd accepted;
  bool was_passed = true;
  const Listening listening(listener, log, [] { return true; },
                            [&](Fd socket, bool passed) {
                              accepted = std::move(socket);
                              was_passed = passed;
                            });
  loop.run_until([&] { return accepted.valid(); });
  CHECK_FALSE(was_passed);
  const Client client = client_of(accepted.get());
  CHECK(client.address == "127.0.0.1");
  CHECK(client.server_address == "127.0.0.1");
  CHECK(client.port != client.server_port);
  CHECK(client.name == "unknown");
}

TEST_CASE("whoever comes by a local socket is this host") {
  const Pair pair = unix_pair();
  const Client client = client_of(pair.left.get());
  CHECK(client.shown() == "localhost[127.0.0.1]");
}

TEST_CASE("a passed connection is taken over, silence is not waited for") {
  Loop loop;
  Nursery nursery;
  Pair pair = unix_pair();
  Fd got;
  bool done = false;
  SECTION("passed") {
    const Pair other = unix_pair();
    pass(pair.right.get(), other.left.get());
    nursery.start(receive(pair.left.get(), &got, &done));
    loop.run_until([&] { return done; });
    REQUIRE(got.valid());
    CHECK(::write(got.get(), "a", 1) == 1);
    char byte = 0;
    CHECK(::read(other.right.get(), &byte, 1) == 1);
  }
  SECTION("closed") {
    pair.right.reset();
    nursery.start(receive(pair.left.get(), &got, &done));
    loop.run_until([&] { return done; });
    CHECK_FALSE(got.valid());
  }
}
