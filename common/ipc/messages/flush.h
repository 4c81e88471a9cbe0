// ETRN (RFC 1985): smtpd asks qmgr to try a site's mail now.
#pragma once

#include <string>

#include "common/ipc/wire.h"

namespace postern::ipc {

struct FlushSiteAnswer {
  // "ok"; "denied": not one of fast_flush_domains; "bad": no domain name.
  std::string status;
  static constexpr auto wire() {
    return message("flush.site.answer", field("status", &FlushSiteAnswer::status));
  }
};

struct FlushSite {
  using Answer = FlushSiteAnswer;
  std::string domain;
  static constexpr auto wire() {
    return message("flush.site", field("domain", &FlushSite::domain));
  }
};

}  // namespace postern::ipc
