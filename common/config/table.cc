#include "common/config/table.h"

#include <unordered_map>

#include "common/config/honoured.h"
#include "common/config/obsolete.h"
#include "common/config/service_parameters.h"

namespace postern::config {

const Row* find_row(std::string_view name) {
  static const auto* const index = [] {
    auto* all = new std::unordered_map<std::string_view, const Row*>;
    for (const Row& row : parameters) all->emplace(row.name, &row);
    return all;
  }();
  auto found = index->find(name);
  return found == index->end() ? nullptr : found->second;
}

const Obsolete* find_obsolete(std::string_view name) {
  for (const Obsolete& old : obsolete_names)
    if (old.name == name) return &old;
  return nullptr;
}

std::optional<ServiceParameter> find_service_parameter(std::string_view name) {
  std::optional<ServiceParameter> best;
  auto consider = [&](const Row& row) {
    if (name.size() <= row.name.size() || !name.ends_with(row.name)) return;
    if (best && best->row->name.size() >= row.name.size()) return;
    best = {name.substr(0, name.size() - row.name.size()), &row};
  };
  for (const Row& row : transport_rows) consider(row);
  for (const Row& row : command_rows) consider(row);
  return best;
}

Honoured honoured(std::string_view name) {
  if (!find_row(name))
    if (auto parameter = find_service_parameter(name))
      name = parameter->row->name;
  for (std::string_view one : not_yet_honoured)
    if (one == name) return Honoured::not_yet;
  for (std::string_view one : no_effect_needed)
    if (one == name) return Honoured::no_effect_needed;
  return Honoured::yes;
}

}  // namespace postern::config
