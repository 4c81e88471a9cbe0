// What a user may pipe into postdrop.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tools/submission.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::size_t at = 0;
  tools::SubmissionReader reader(
      [&]() -> Result<std::string> {
        std::string piece = bytes.substr(at, 3);
        at += piece.size();
        return piece;
      },
      1000);
  auto head = reader.head();
  if (!head || !*head) return 0;
  queue::Envelope envelope = **head;
  for (;;) {
    const Result<std::string> piece = reader.content(envelope);
    if (!piece || piece->empty()) break;
  }
  // Nothing that would end a line of a protocol survives.
  for (const queue::Recipient& r : envelope.recipients)
    if (r.address.empty() || r.address.find('\n') != std::string::npos)
      std::abort();
  if (envelope.sender.find('\n') != std::string::npos) std::abort();
  return 0;
}
