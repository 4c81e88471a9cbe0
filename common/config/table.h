// All parameters in one table, and finding a row in it: by the compiler for
// Config::get<"name">(), at run time for names that come from a file.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "common/config/parameters/cleanup.h"
#include "common/config/parameters/general.h"
#include "common/config/parameters/lmtp.h"
#include "common/config/parameters/local.h"
#include "common/config/parameters/milter.h"
#include "common/config/parameters/network.h"
#include "common/config/parameters/paths.h"
#include "common/config/parameters/postscreen.h"
#include "common/config/parameters/process.h"
#include "common/config/parameters/qmgr.h"
#include "common/config/parameters/routing.h"
#include "common/config/parameters/sasl.h"
#include "common/config/parameters/smtp.h"
#include "common/config/parameters/smtpd.h"
#include "common/config/parameters/tls.h"
#include "common/config/row.h"

namespace postern::config {

template <std::size_t... sizes>
consteval auto joined(const Row (&... groups)[sizes]) {
  std::array<Row, (sizes + ...)> all{};
  auto next = all.begin();
  ((next = std::copy(std::begin(groups), std::end(groups), next)), ...);
  return all;
}

inline constexpr auto parameters =
    joined(general_rows, paths_rows, process_rows, network_rows, routing_rows,
           cleanup_rows, qmgr_rows, smtpd_rows, postscreen_rows, sasl_rows,
           milter_rows, smtp_rows, lmtp_rows, local_rows, tls_rows);

// A string literal as a template argument.
template <std::size_t size>
struct FixedString {
  constexpr FixedString(const char (&literal)[size]) {
    std::copy_n(literal, size, text);
  }
  constexpr std::string_view view() const { return {text, size - 1}; }
  char text[size];
};

// Position in `parameters`; a name that is not there does not compile.
consteval std::size_t index_of(std::string_view name) {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].name == name) return i;
  throw "no such parameter in common/config/parameters";
}

// nullptr: no such parameter. Case matters.
const Row* find_row(std::string_view name);

}  // namespace postern::config
