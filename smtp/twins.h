// The parameters of an smtp row, or their lmtp_ twins (lmtp(8)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/loop/loop.h"

namespace postern::smtp {

// The twins differ where the protocols do: LHLO for EHLO and HELO.
class Twins {
 public:
  Twins(const config::Config& config, bool lmtp)
      : config_(config), lmtp_(lmtp) {}

  std::string name(std::string_view rest) const {
    return (lmtp_ ? "lmtp_" : "smtp_") + std::string(rest);
  }
  std::string text(std::string_view rest) const {
    return config_.text(name(rest));
  }
  bool flag(std::string_view rest) const { return config_.boolean(name(rest)); }
  std::vector<std::string> list(std::string_view rest) const {
    return split_words(text(rest));
  }
  std::int64_t number(std::string_view rest) const {
    return config_.number(name(rest), 0);
  }
  Millis time(std::string_view rest) const {
    return config_.duration(name(rest), Seconds(300));
  }

 private:
  const config::Config& config_;
  bool lmtp_;
};

}  // namespace postern::smtp
