// Answers of name servers.
#include <cstddef>
#include <cstdint>

#include "common/base/panic.h"
#include "common/dns/resolver.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const dns::Type type : {dns::Type::a, dns::Type::mx, dns::Type::txt}) {
    const dns::Answer answer = dns::read_answer(bytes, type);
    require(answer.ok() != answer.records.empty(), "records without success");
    for (const dns::Record& record : answer.records) {
      require(record.type == type, "a record of another type");
      require(record.owner.size() <= 255 * 4, "a name that is too long");
    }
  }
  return 0;
}
