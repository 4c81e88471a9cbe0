// main.conf: reading, expansion, validation, the administrator's check.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/config/check.h"
#include "common/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // A fuzzer must not read files of the machine.
  if (text.find("myorigin") != std::string_view::npos) return 0;
  auto config = postern::config::Config::parse(text, "/nonexistent");
  if (!config) return 0;
  (void)config->validate();
  for (const auto& [name, setting] : config->settings())
    (void)config->try_expand(setting.value);
  auto table = postern::config::MasterTable::parse("", "master");
  for (const auto& finding : postern::config::check(*config, *table))
    (void)postern::config::describe(finding);
  return 0;
}
