// tcp: tables: a line to a server, a line back. tcp_table(5).
#include "common/base/text.h"
#include "common/databases/dial.h"
#include "common/databases/openers.h"
#include "common/databases/replies.h"

namespace postern::databases {
namespace {

constexpr Dialogue::Limit connect_limit{30'000};
// Whoever asks waits at most 100 seconds.
constexpr Dialogue::Limit reply_limit{60'000};
constexpr std::size_t longest_reply = 4096;

class TcpTable : public tables::Table {
 public:
  TcpTable(std::string name, Endpoint endpoint)
      : Table(std::move(name)), endpoint_(std::move(endpoint)) {}

 protected:
  tables::Found look_up(std::string_view key) override {
    const std::string question = "get " + tcp_encode(key) + "\n";
    if (question.size() > longest_reply) return std::optional<std::string>();
    const Result<std::string> line = ask(question);
    if (!line) return query_error(line.trouble().text);
    tables::Found found = read_tcp_reply(*line);
    if (found) return found;
    // Whatever follows a broken reply would be taken for the next one.
    if (!line->starts_with("400")) dialogue_.reset();
    return query_error(found.trouble().text);
  }

 private:
  Trouble query_error(const std::string& why) const {
    return try_later("3.0", "table " + name() + ": query error: " + why);
  }

  Result<std::string> ask(const std::string& question) {
    // A connection that was closed while it lay idle says nothing.
    if (dialogue_ && dialogue_->idle()) {
      Result<std::string> line = exchange(question);
      if (line) return line;
    }
    dialogue_.reset();
    Result<Dialogue> opened = Dialogue::open(endpoint_, connect_limit);
    if (!opened)
      return failed("connect to TCP map " + endpoint_.text() + ": " +
                    opened.trouble().text);
    dialogue_.emplace(std::move(*opened));
    Result<std::string> line = exchange(question);
    if (line) return line;
    dialogue_.reset();
    return failed("read TCP map reply from " + endpoint_.text() + ": " +
                  line.trouble().text);
  }

  Result<std::string> exchange(const std::string& question) {
    const Status sent = dialogue_->send(question, reply_limit);
    if (!sent.ok()) return sent.trouble();
    return dialogue_->line(longest_reply, reply_limit);
  }

  Trouble failed(const std::string& text) {
    warn(text);
    return try_later("3.0", text);
  }

  Endpoint endpoint_;
  std::optional<Dialogue> dialogue_;
};

}  // namespace

Opened open_tcp(const Context& context) {
  Result<Endpoint> endpoint = Endpoint::parse(context.spec.name, true);
  if (!endpoint)
    return give_up("3.5", "table " + context.spec.text() + ": " +
                              endpoint.trouble().text);
  return Opened(std::make_unique<TcpTable>(context.spec.text(),
                                           std::move(*endpoint)));
}

}  // namespace postern::databases
