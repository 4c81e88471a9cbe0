// Forwarding and :include: files, and the $names of forward_path.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/panic.h"
#include "local/destinations.h"
#include "local/names.h"

using namespace postern;
using namespace postern::local;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Destination& each : parse_list(text)) {
    if (each.kind == Destination::Kind::file)
      require(each.text.starts_with('/'), "a file is an absolute path");
    require(each.text.find('\n') == std::string::npos ||
                each.kind == Destination::Kind::address,
            "a member is of one line");
  }
  // An extension from outside adds no character that the filter leaves out.
  NameValues values;
  values.recipient.extension = text;
  const auto expanded =
      expand_names("/h/.forward+$extension", values, std::string("abc"));
  if (expanded && expanded->complete)
    require(expanded->text.find_first_not_of("/h.forward+abc_") ==
                std::string::npos,
            "a value is filtered and not expanded again");
  const auto free = expand_names("$extension", values, std::nullopt);
  if (free && free->complete)
    require(free->text == text, "a value stands as it is");
  return 0;
}
