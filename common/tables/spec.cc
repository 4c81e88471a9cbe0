#include "common/tables/spec.h"

#include <algorithm>
#include <array>

#include "common/base/text.h"
#include "common/tables/braces.h"

namespace postern::tables {
namespace {

// Where the content of a table is.
enum class Where {
  name,   // in the name itself
  file,   // in a file, or with "{ … }" as the name, there
  parts,  // in other tables
  away,   // somebody has to be asked
};

struct KindRow {
  std::string_view type;
  Kind kind;
  bool fixed_keys;
  Where where;
  bool here;  // opened by this library
};

constexpr KindRow kinds[] = {
    {"btree", Kind::indexed, true, Where::file, true},
    {"cdb", Kind::cdb, true, Where::file, true},
    {"cidr", Kind::cidr, false, Where::file, true},
    {"environ", Kind::variables, true, Where::name, true},
    {"fail", Kind::fail, false, Where::name, true},
    {"hash", Kind::indexed, true, Where::file, true},
    {"inline", Kind::inlined, true, Where::name, true},
    {"lmdb", Kind::lmdb, true, Where::file, true},
    {"pcre", Kind::pcre, false, Where::file, true},
    {"pipemap", Kind::pipemap, true, Where::parts, true},
    {"randmap", Kind::randmap, false, Where::name, true},
    {"regexp", Kind::regexp, false, Where::file, true},
    {"static", Kind::constant, true, Where::name, true},
    {"texthash", Kind::texthash, true, Where::file, true},
    {"unionmap", Kind::unionmap, true, Where::parts, true},
    {"unix", Kind::system, true, Where::away, true},
    {"ldap", Kind::ldap, true, Where::away, false},
    {"memcache", Kind::memcache, true, Where::away, false},
    {"mysql", Kind::mysql, true, Where::away, false},
    {"nis", Kind::nis, true, Where::away, false},
    {"pgsql", Kind::pgsql, true, Where::away, false},
    {"socketmap", Kind::socketmap, false, Where::away, false},
    {"sqlite", Kind::sqlite, true, Where::away, false},
    {"tcp", Kind::tcp, false, Where::away, false},
};

constexpr std::string_view proxy_prefix = "proxy:";

const KindRow* row_of(std::string_view type) {
  for (const KindRow& row : kinds)
    if (row.type == type) return &row;
  return nullptr;
}

bool has_parts(const Spec& spec) {
  return spec.kind == Kind::unionmap || spec.kind == Kind::pipemap;
}

bool rules_in_name(const Spec& spec) {
  return (spec.kind == Kind::cidr || spec.kind == Kind::pcre ||
          spec.kind == Kind::regexp) &&
         spec.name.starts_with('{');
}

}  // namespace

std::string_view strip_proxy(std::string_view text) {
  while (text.starts_with(proxy_prefix))
    text.remove_prefix(proxy_prefix.size());
  return text;
}

bool is_proxied(std::string_view text) {
  return text.starts_with(proxy_prefix);
}

Result<Spec> parse_spec(std::string_view text,
                        const std::string& default_type) {
  Spec spec;
  spec.proxied = is_proxied(text);
  const std::string_view inner = strip_proxy(text);
  const std::size_t colon = inner.find(':');
  if (colon == std::string_view::npos && !default_type.empty()) {
    spec.type = default_type;
    spec.name = inner;
  } else if (colon == std::string_view::npos || colon == 0 ||
             colon + 1 == inner.size()) {
    return try_later("3.5",
                     "open dictionary: expecting \"type:name\" form instead "
                     "of \"" +
                         std::string(text) + "\"");
  } else {
    spec.type = inner.substr(0, colon);
    spec.name = inner.substr(colon + 1);
  }
  const KindRow* row = row_of(spec.type);
  if (row == nullptr)
    return try_later("3.5", "unsupported dictionary type: " + spec.type);
  spec.kind = row->kind;
  return spec;
}

std::vector<Spec> parts_of(const Spec& spec) {
  std::vector<Spec> parts;
  if (!has_parts(spec)) return parts;
  const auto names = braced_list(spec.name);
  if (!names) return parts;
  for (const std::string& name : *names) {
    Result<Spec> part = parse_spec(name);
    if (!part) return {};
    parts.push_back(std::move(*part));
  }
  return parts;
}

bool in_memory(const Spec& spec) {
  if (spec.proxied) return false;
  if (has_parts(spec)) {
    const std::vector<Spec> parts = parts_of(spec);
    return std::all_of(parts.begin(), parts.end(),
                       [](const Spec& part) { return in_memory(part); });
  }
  return row_of(spec.type)->where == Where::name || rules_in_name(spec);
}

bool may_block(const Spec& spec) {
  const std::vector<Spec> parts = parts_of(spec);
  return row_of(spec.type)->where == Where::away ||
         std::any_of(parts.begin(), parts.end(),
                     [](const Spec& part) { return may_block(part); });
}

bool in_memory(std::string_view text) {
  const Result<Spec> spec = parse_spec(text);
  return spec && in_memory(*spec);
}

bool fixed_keys(const Spec& spec) {
  if (has_parts(spec)) {
    const std::vector<Spec> parts = parts_of(spec);
    return std::any_of(parts.begin(), parts.end(),
                       [](const Spec& part) { return fixed_keys(part); });
  }
  return row_of(spec.type)->fixed_keys;
}

bool fixed_keys(std::string_view text) {
  const Result<Spec> spec = parse_spec(text);
  return spec && fixed_keys(*spec);
}

bool is_table_name(std::string_view text) {
  const std::string_view inner = strip_proxy(text);
  const std::size_t colon = inner.find(':');
  return colon != std::string_view::npos && colon + 1 < inner.size() &&
         row_of(inner.substr(0, colon)) != nullptr;
}

const std::vector<std::string>& table_types() {
  static const std::vector<std::string> types = [] {
    std::vector<std::string> names;
    for (const KindRow& row : kinds)
      if (row.here) names.emplace_back(row.type);
    return names;
  }();
  return types;
}

}  // namespace postern::tables
