// Lines of the mail log, in which clients have chosen words.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tools/explain_events.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string log(reinterpret_cast<const char*>(data), size);
  const auto event = postern::tools::parse_refusal(log);
  if (event && (event->where.empty() ||
                event->where.find(' ') != std::string::npos))
    std::abort();
  if (event && event->client_address.find(']') != std::string::npos)
    std::abort();
  for (const auto& each :
       postern::tools::refusals_of_session(log, "192.0.2.7"))
    if (each.client_address != "192.0.2.7") std::abort();
  for (const auto& each : postern::tools::refusals_of_message(log, "4X1"))
    if (each.queue_id != "4X1") std::abort();
  return 0;
}
