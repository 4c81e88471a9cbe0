// The permanent list of the screen (postscreen_access_list), and what a table
// of it answers with. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::smtpd {

struct ScreenRule {
  enum class What { own_networks, table, permit, reject, dunno, unknown };
  What what = What::dunno;
  std::string text;  // the table, or the word that is none
};

// `in_table`: an answer, which cannot name tables.
std::vector<ScreenRule> parse_screen_rules(std::string_view text,
                                           bool in_table);

}  // namespace postern::smtpd
