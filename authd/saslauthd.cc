#include "authd/saslauthd.h"

#include <sys/stat.h>

#include "common/credentials/digest.h"
#include "common/loop/connect.h"
#include "common/loop/stream.h"

namespace postern::authd {
namespace {

constexpr std::size_t longest_text = 1024;  // MAX_REQ_LEN of saslauthd

Trouble silent(const std::string& path) {
  return try_later("4.2", "saslauthd at " + path + " gave no answer");
}

// The whole conversation; Hangup where it breaks off.
Task<Result<bool>> converse(Stream* stream, std::string request, Millis limit) {
  stream->put(request);
  credentials::wipe(request);
  co_await stream->flush(limit);
  for (;;) {
    co_await stream->fill(limit);
    const auto answer = saslauthd_answer(stream->buffered());
    if (!answer) continue;
    if (answer->starts_with("OK")) co_return true;
    if (answer->starts_with("NO")) co_return false;
    co_return try_later("4.2", "saslauthd gave an answer that is none");
  }
}

}  // namespace

std::string saslauthd_request(const SaslauthdQuestion& question) {
  std::string out;
  for (const std::string* each : {&question.user, &question.password,
                                  &question.service, &question.realm}) {
    if (each->size() > longest_text) return {};
    out += static_cast<char>(each->size() >> 8);
    out += static_cast<char>(each->size() & 255);
    out += *each;
  }
  return out;
}

std::optional<std::string> saslauthd_answer(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::size_t size = static_cast<unsigned char>(bytes[0]) * 256u +
                           static_cast<unsigned char>(bytes[1]);
  if (bytes.size() < 2 + size) return std::nullopt;
  return std::string(bytes.substr(2, size));
}

Task<Result<bool>> ask_saslauthd(std::string path, SaslauthdQuestion question,
                                 Millis limit) {
  std::string request = saslauthd_request(question);
  credentials::wipe(question.password);
  if (request.empty()) co_return false;  // longer than any that it knows
  struct stat facts;
  if (::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode))
    path += "/mux";
  const Result<SocketAddress> address = SocketAddress::unix_path(path);
  if (!address) co_return address.trouble();
  const SocketAddress to = *address;
  Result<Fd> socket = co_await connect_to(to, limit, std::nullopt);
  if (!socket)
    co_return try_later("4.1", "connect to saslauthd at " + path + ": " +
                                   socket.trouble().text);
  Stream stream(std::move(*socket));
  try {
    co_return co_await converse(&stream, std::move(request), limit);
  } catch (const Hangup&) {
  }
  co_return silent(path);
}

}  // namespace postern::authd
