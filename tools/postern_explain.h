// postern explain: what would become of an envelope, and which line of the
// configuration decided it. The evaluator is that of smtpd (common/access);
// tables are opened here, with the rights of whoever asks.
// Parts: postern_explain.cc (options, the run), explain_questions.h (answers),
// explain_report.h (what is printed).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/postern_suite.h"

namespace postern::tools {

// `words`: what stands behind "explain". Gives the exit status: 0 the recipient
// would be accepted, 1 refused, 2 not understood.
int explain(Suite& suite, const std::vector<std::string>& words);

}  // namespace postern::tools
