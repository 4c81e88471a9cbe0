// Parameters of the suite as a whole: names, version, behaviour everywhere.
// See postconf(5), which is printed from here.
#pragma once

#include "common/config/row.h"

namespace postern::config {

inline constexpr Row general_rows[] = {
    text("compatibility_level", "0", ""),
    integer("fault_injection_code", "0", ""),
    text("mail_name", "Postern", ""),
    text("mail_release_date", "20261122", ""),
    text("mail_version", POSTERN_VERSION, ""),
    boolean("respectful_logging",
            "${{$compatibility_level} <level {3.6} ? {no} : {yes}}",
            ""),
    boolean("sun_mailtool_compatibility", "no", ""),
};

}  // namespace postern::config
