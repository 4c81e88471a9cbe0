// The envelope of a queued message and its form in the queue file
// (docs/formats/queue-file.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::queue {

struct Recipient {
  std::string address;       // internal form, rewritten and expanded
  std::string original;      // before rewriting; empty: the same
  std::string orcpt;         // RFC 3461 ORCPT, "rfc822;…", or empty
  std::int64_t notify = 0;   // ipc::Notify bits
  bool done = false;         // delivered, or its sender told
  std::int64_t mark = 0;     // offset in the envelope section of the byte
                             // that says so
};

struct Envelope {
  std::int64_t arrival = 0;  // microseconds since 1970
  std::string sender;        // internal form; empty: the null sender
  std::string envid;
  std::string ret;           // "", "FULL", "HDRS"
  std::string body;          // "", "7BIT", "8BITMIME"
  std::string context;       // "local", "remote"
  std::string filter;        // next hop of a content filter, or empty
  std::int64_t flags = 0;    // ipc::CleanupFlag bits that outlive cleanup
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<Recipient> recipients;

  // "" when there is none.
  std::string attribute(std::string_view name) const;
};

// Where the parts of a queue file lie; its first `preamble_size` bytes.
struct Layout {
  std::int64_t content_offset = 0;
  std::int64_t content_size = 0;
  std::int64_t envelope_offset = 0;
  std::int64_t envelope_size = 0;
  std::uint32_t content_crc = 0;
  std::uint32_t envelope_crc = 0;  // with every mark still pending

  std::int64_t results_offset() const { return envelope_offset + envelope_size; }
};

constexpr std::int64_t preamble_size = 128;
constexpr char mark_pending = '-';
constexpr char mark_done = '+';

// Exactly preamble_size bytes.
std::string encode_layout(const Layout& layout);
// nullopt: not the preamble of a complete queue file.
std::optional<Layout> decode_layout(std::string_view bytes);

// Sets each recipient's `mark`.
std::string encode_envelope(Envelope& envelope);
// The recipients' lines alone; marks are from their beginning.
std::string encode_recipients(std::vector<Recipient>& recipients);
std::optional<Envelope> decode_envelope(std::string_view bytes);

// The CRC of an envelope section as it was when it was written: marks count as
// pending.
std::uint32_t envelope_crc(std::string_view bytes, const Envelope& envelope);

// One value on one line: backslash and control characters as \xHH.
std::string escape(std::string_view value);
std::optional<std::string> unescape(std::string_view text);

// What the last attempts said, for mailq, and what was told to the sender.
// Advisory: it may be lost in a crash.
struct Attempt {
  std::int64_t index = 0;  // of the recipient
  std::string status;      // 4.4.1
  std::string text;
  std::int64_t last = 0;   // when above index: so it is for all up to this one
};
struct Results {
  std::int64_t delay_notice = 0;  // seconds since 1970; 0: not told yet
  std::vector<Attempt> attempts;
};
std::string encode_results(const Results& results);
// Empty results when there are none or they are damaged.
Results decode_results(std::string_view bytes);

}  // namespace postern::queue
