// BDAT (RFC 3030): counted chunks, without dots. A chunk that is refused is
// still read, for its bytes are no commands.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/path.h"
#include "smtpd/session.h"

namespace postern::smtpd {

Task<bool> Session::bdat(CommandLine line) {
  if (!keeps(keyword_chunking)) {
    // Nobody was offered this, so nobody knows how to go on.
    co_return co_await refuse(Fault::protocol,
                              "502 5.5.1 Error: command not implemented");
  }
  const bool last =
      line.words.size() == 2 && equal_nocase(line.words[1], "LAST");
  std::optional<std::int64_t> bytes;
  if (line.words.size() == 1 || last) bytes = mail::parse_size(line.words[0]);
  // Without the count there is no way to find the next command.
  if (!bytes || *bytes > (std::int64_t{1} << 62)) {
    log_.warning("{}: malformed BDAT command syntax from {}: {:.100}",
                 facts_.queue_name(), facts_.client.shown(),
                 printable(line.verb + " " + line.rest));
    co_return co_await refuse(Fault::protocol,
                              "521 5.5.4 Syntax: BDAT count [LAST]");
  }
  if (chunk_state_ == Chunks::failed) {
    co_return co_await discard_chunk(
        *bytes, last,
        fmt::format("551 5.0.0 Discarded {} bytes after earlier error",
                    *bytes));
  }
  if (facts_.recipients == 0) {
    facts_.note(Fault::protocol);
    std::string text = no_recipients();
    co_return co_await discard_chunk(*bytes, last, std::move(text));
  }
  const std::int64_t limit = settings_->message_size_limit;
  if (limit > 0 && transaction_->chunk_bytes + *bytes > limit) {
    facts_.note(Fault::bounce);
    log_.warning("{}: BDAT request from {} exceeds message size limit",
                 facts_.queue_name(), facts_.client.shown());
    co_return co_await discard_chunk(
        *bytes, last, "552 5.3.4 Chunk exceeds message size limit");
  }
  if (*bytes == 0 && !last) {
    facts_.note(Fault::protocol);
    log_.warning("{}: null BDAT request from {}", facts_.queue_name(),
                 facts_.client.shown());
    co_return co_await discard_chunk(*bytes, last,
                                     "551 5.7.1 Null BDAT request");
  }
  if (chunk_state_ == Chunks::none) {
    Refusal refused = co_await access_.data();
    if (refused) {
      co_return co_await discard_chunk(*bytes, last, std::move(*refused));
    }
    chunk_state_ = Chunks::open;
    transaction_->chunks = std::make_unique<DataReader>(
        DataReader::Framing::counted, EndRule::any_newline);
    start_content();
  }
  transaction_->chunk_bytes += *bytes;
  co_await receive_chunk(*bytes);
  if (!last && !transaction_->submission->alive()) {
    chunk_state_ = Chunks::failed;
    co_return co_await cannot_store();
  }
  if (!last) {
    co_await reply(fmt::format("250 2.0.0 Ok: {} bytes", *bytes));
    co_return true;
  }
  DataReader* reader = transaction_->chunks.get();
  reader->finish(transaction_->chunk_rest,
                 transaction_->submission->gathered());
  co_return co_await finish_message(reader->saw_bare_newline(), true);
}

// What the reader cannot judge yet waits in chunk_rest for the next chunk.
Task<void> Session::receive_chunk(std::int64_t bytes) {
  facts_.where = "BDAT content";
  content_bytes_ = 0;
  start_request();
  while (bytes > 0) {
    if (stream_.buffered().empty()) {
      co_await fill();
    }
    Transaction& t = *transaction_;
    const auto most = static_cast<std::size_t>(bytes);
    const std::size_t take = std::min(stream_.buffered().size(), most);
    t.chunk_rest += stream_.buffered().substr(0, take);
    stream_.consume(take);
    bytes -= static_cast<std::int64_t>(take);
    content_bytes_ += static_cast<std::int64_t>(take);
    const std::size_t used =
        t.chunks->feed(t.chunk_rest, t.submission->gathered());
    t.chunk_rest.erase(0, used);
    const bool more = !stream_.buffered().empty() || stream_.poll();
    co_await pass_on(more, 0);
  }
  facts_.where = "BDAT";
}

// Reads a chunk for nothing; the rest of the message is refused too.
Task<bool> Session::discard_chunk(std::int64_t bytes, bool last,
                                  std::string text) {
  content_bytes_ = 0;
  start_request();
  while (bytes > 0) {
    if (stream_.buffered().empty()) {
      co_await fill();
    }
    const std::size_t take = std::min(stream_.buffered().size(),
                                      static_cast<std::size_t>(bytes));
    stream_.consume(take);
    bytes -= static_cast<std::int64_t>(take);
    content_bytes_ += static_cast<std::int64_t>(take);
  }
  co_await reply(std::move(text));
  if (last)
    reset_transaction();
  else
    chunk_state_ = Chunks::failed;
  co_return false;
}

}  // namespace postern::smtpd
