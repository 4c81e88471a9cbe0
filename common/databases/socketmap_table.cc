// socketmap: tables: a netstring to a server, a netstring back.
// socketmap_table(5).
#include "common/base/text.h"
#include "common/databases/dial.h"
#include "common/databases/openers.h"
#include "common/databases/replies.h"

namespace postern::databases {
namespace {

constexpr Dialogue::Limit connect_limit{30'000};
// Whoever asks waits at most 100 seconds.
constexpr Dialogue::Limit reply_limit{60'000};
constexpr std::size_t longest_reply = 100'000;
constexpr std::size_t most_digits = 9;

class SocketMap : public tables::Table {
 public:
  SocketMap(std::string name, Endpoint endpoint, std::string map)
      : Table(std::move(name)),
        endpoint_(std::move(endpoint)),
        map_(std::move(map)) {}

 protected:
  tables::Found look_up(std::string_view key) override {
    const Result<std::string> reply =
        ask(netstring(map_ + " " + std::string(key)));
    tables::Found found =
        reply ? read_socketmap_reply(*reply) : tables::Found(reply.trouble());
    if (found) {
      if (!*found || !(*found)->empty()) return found;
      found = try_later("3.0", "an empty result");
    }
    warn("table " + name() + " lookup error: " + found.trouble().text);
    return try_later("3.0", "table " + name() +
                                ": query error: " + found.trouble().text);
  }

 private:
  Result<std::string> ask(const std::string& question) {
    // A connection that was closed while it lay idle says nothing.
    if (dialogue_ && dialogue_->idle()) {
      Result<std::string> reply = exchange(question);
      if (reply) return reply;
    }
    dialogue_.reset();
    Result<Dialogue> opened = Dialogue::open(endpoint_, connect_limit);
    if (!opened)
      return try_later("3.0", "connect to " + endpoint_.text() + ": " +
                                  opened.trouble().text);
    dialogue_.emplace(std::move(*opened));
    Result<std::string> reply = exchange(question);
    if (!reply) dialogue_.reset();
    return reply;
  }

  Result<std::string> exchange(const std::string& question) {
    const Status sent = dialogue_->send(question, reply_limit);
    if (!sent.ok()) return sent.trouble();
    std::string digits;
    for (;;) {
      Result<std::string> one = dialogue_->bytes(1, reply_limit);
      if (!one) return one;
      if (*one == ":") break;
      if (!is_digit(one->front()) || digits.size() >= most_digits)
        return try_later("3.0", "the reply is not a netstring");
      digits += *one;
    }
    const auto size = parse_number(digits);
    if (!size) return try_later("3.0", "the reply is not a netstring");
    if (static_cast<std::size_t>(*size) > longest_reply)
      return try_later("3.0", "the reply is too long");
    Result<std::string> text =
        dialogue_->bytes(static_cast<std::size_t>(*size) + 1, reply_limit);
    if (!text) return text;
    if (text->back() != ',')
      return try_later("3.0", "the reply is not a netstring");
    text->pop_back();
    return text;
  }

  Endpoint endpoint_;
  std::string map_;
  std::optional<Dialogue> dialogue_;
};

}  // namespace

Opened open_socketmap(const Context& context) {
  const std::string& text = context.spec.name;
  const std::size_t colon = text.rfind(':');
  const auto wrong = [&](const std::string& why) {
    return give_up("3.5", "table " + context.spec.text() + ": " + why +
                              "; need \"socketmap:inet:host:port:name\" or "
                              "\"socketmap:unix:pathname:name\"");
  };
  if (!text.starts_with("inet:") && !text.starts_with("unix:"))
    return wrong("invalid transport name: " + text.substr(0, text.find(':')));
  if (colon == 4 || colon + 1 == text.size())
    return wrong("no socketmap name");
  Result<Endpoint> endpoint = Endpoint::parse(text.substr(0, colon), false);
  if (!endpoint) return wrong("no host and port in it");
  return Opened(std::make_unique<SocketMap>(
      context.spec.text(), std::move(*endpoint), text.substr(colon + 1)));
}

}  // namespace postern::databases
