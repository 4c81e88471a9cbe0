// What is wrong with restriction lists, before a client meets it: for postern
// check. And where in main.conf a restriction stands: for postern explain.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/check.h"
#include "common/config/config.h"
#include "common/config/master_table.h"

namespace postern::access {

// The parameters that hold restriction lists, in the order in which they are
// applied.
std::vector<std::string> list_parameters();

// Of main.conf and the -o options of smtpd rows, in order of lines.
std::vector<config::Finding> check_restrictions(
    const config::Config& config, const config::MasterTable& table);

// The line of `content` (a main.conf) on which the `nth` (from 0) use of `word`
// stands, in the setting that begins on line `first`; `first` where it is not
// written there, since a $name stands for it.
int line_of_word(std::string_view content, int first, std::string_view word,
                 int nth);

}  // namespace postern::access
