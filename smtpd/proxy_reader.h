// Takes the header of the PROXY protocol off a connection, and nothing that is
// behind it.
#pragma once

#include "common/access/client.h"
#include "common/loop/task.h"
#include "smtpd/proxy_header.h"

namespace postern::smtpd {

// `limit` is for the whole header. State::done or State::bad.
Task<ProxyHeader> read_proxy_header(int socket, Millis limit);

// Puts what the header says in the place of the connection's own addresses.
void apply(const ProxyHeader& header, access::Client* client);

// For the log: what is there instead of a header.
std::string unread(int socket);

// Takes in what has come: a connection that is closed over unread input takes
// our last words with it.
void drop_input(int socket);

}  // namespace postern::smtpd
