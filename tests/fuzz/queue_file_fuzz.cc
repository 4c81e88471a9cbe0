// The parts of a queue file: what decodes must encode to the same again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/queue/envelope.h"
#include "common/queue/envelope_reader.h"
#include "common/queue/queue_id.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::queue;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto layout = decode_layout(text)) {
    if (!decode_layout(encode_layout(*layout))) std::abort();
    // Readers take parts of the file from these.
    if (layout->envelope_offset < preamble_size ||
        layout->results_offset() < layout->envelope_offset)
      std::abort();
  }
  if (auto envelope = decode_envelope(text)) {
    for (const Recipient& r : envelope->recipients)
      if (text[static_cast<std::size_t>(r.mark)] !=
          (r.done ? mark_done : mark_pending))
        std::abort();
    const std::string again = encode_envelope(*envelope);
    const auto back = decode_envelope(again);
    if (!back || back->recipients.size() != envelope->recipients.size())
      std::abort();
  }
  // Read by pieces it is the same, or refused as well.
  EnvelopeReader reader{text};
  std::size_t count = 0;
  Place middle;
  std::optional<Recipient> second;
  while (const auto recipient = reader.next()) {
    if (++count == 1) middle = reader.place();
    if (count == 2) second = recipient;
  }
  const auto whole = decode_envelope(text);
  if (whole.has_value() == reader.broken()) std::abort();
  if (whole && (whole->recipients.size() != count ||
                reader.crc() != envelope_crc(text, *whole)))
    std::abort();
  if (second) {
    EnvelopeReader again{text};
    again.go_to(middle);
    const auto found = again.next();
    if (!found || found->address != second->address ||
        found->mark != second->mark)
      std::abort();
  }
  const Results results = decode_results(text);
  if (decode_results(encode_results(results)).attempts.size() !=
      results.attempts.size())
    std::abort();
  if (const auto plain = unescape(text))
    if (unescape(escape(*plain)) != *plain) std::abort();
  if (valid_id(text)) hash_part(text, 2);
  return 0;
}
