#include "tools/table_making.h"

#include "common/tables/maps.h"
#include "tools/as_owner.h"

namespace postern::tools {

Status make_table(const tables::Spec& spec, const tables::BuildOptions& options,
                  bool keep_rights) {
  if (keep_rights) return tables::build(spec, options);
  const Result<AsOwner> owner = AsOwner::of(spec.name);
  if (!owner) return owner.trouble();
  return tables::build(spec, options);
}

Status run_newaliases(const config::Config& config, const tables::Warn& warn) {
  const auto names = tables::split_table_names(config.get<"alias_database">());
  if (!names) return names.trouble();
  tables::BuildOptions options;
  options.aliases = true;
  options.utf8 = config.get<"smtputf8_enable">();
  options.lmdb_map_size =
      static_cast<std::size_t>(config.get<"lmdb_map_size">());
  options.warn = warn;
  for (const std::string& name : *names) {
    Result<tables::Spec> spec =
        tables::parse_spec(name, config.get<"default_database_type">());
    if (!spec) return spec.trouble();
    const Status made = make_table(*spec, options, false);
    if (!made.ok()) return made;
  }
  return {};
}

}  // namespace postern::tools
