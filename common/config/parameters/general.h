// Parameters of the suite as a whole: names, version, behaviour everywhere.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row general_rows[] = {
    text("compatibility_level", "0", "The version whose initial values apply."),
    integer("fault_injection_code", "0", "Failure to simulate, for tests."),
    text("mail_name", "Postern",
         "Name of this mail system in greetings and headers."),
    text("mail_release_date", "20261122", "Date of this version."),
    text("mail_version", POSTERN_VERSION, "Version of this mail system."),
    boolean("respectful_logging",
            "${{$compatibility_level} <level {3.6} ? {no} : {yes}}",
            "Whether the log says allowlist and denylist."),
    boolean("sun_mailtool_compatibility", "no",
            "An old compatibility setting without effect."),
};

}  // namespace postern::config
