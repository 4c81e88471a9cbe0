#include "authd/server_names.h"

#include "common/base/text.h"
#include "common/tables/spec.h"

namespace postern::authd {
namespace {

// "a.example.com", ".example.com", ".com".
std::vector<std::string> keys_of(const std::string& name) {
  std::vector<std::string> keys{name};
  for (std::size_t dot = name.find('.', 1); dot != std::string::npos;
       dot = name.find('.', dot + 1))
    keys.push_back(name.substr(dot));
  return keys;
}

std::string index_file(const tables::Spec& spec) { return spec.name + ".db"; }

}  // namespace

void ServerNames::preload(const std::string& maps) {
  const auto tables = tables::split_table_names(maps);
  if (!tables) {
    log_.warning("tls_server_sni_maps: {}", tables.trouble().text);
    return;
  }
  for (const std::string& table : *tables) {
    const Result<tables::Spec> spec = tables::parse_spec(table, "hash");
    if (spec && spec->kind == tables::Kind::indexed) continue;
    if (opened_.count(table) != 0) continue;
    tables::OpenOptions options;
    options.values_are_files = true;
    options.warn = [log = log_](std::string_view line) { log.warning(line); };
    Result<tables::Maps> opened =
        tables::Maps::parse("tls_server_sni_maps", table, options);
    if (opened) opened_.emplace(table, std::move(*opened));
    else
      log_.warning("tls_server_sni_maps: {}", opened.trouble().text);
  }
}

// The value as stored; empty: the table has no such key.
Task<Result<std::string>> ServerNames::look_up(std::string table,
                                               std::string key) {
  const auto opened = opened_.find(table);
  if (opened != opened_.end()) {
    tables::Found found = opened->second.find(key, key[0] == '.');
    if (!found) co_return found.trouble();
    co_return found->value_or("");
  }
  const Result<tables::Spec> spec = tables::parse_spec(table, "hash");
  if (!spec) co_return spec.trouble();
  if (spec->kind != tables::Kind::indexed)
    co_return try_later("3.5", "the table " + table + " could not be opened");
  const std::string path = index_file(*spec);
  Result<KeyFiles::Content> content = co_await files_.read(path);
  if (!content) co_return content.trouble();
  Indexed& indexed = indexed_[path];
  if (indexed.content != *content || !indexed.reader) {
    Result<tables::IndexReader> reader = tables::IndexReader::from_bytes(
        path, **content, "postmap -F " + table);
    if (!reader) co_return reader.trouble();
    indexed.content = *content;
    indexed.reader =
        std::make_unique<tables::IndexReader>(std::move(*reader));
  }
  tables::Found found = indexed.reader->get(key);
  if (!found) co_return found.trouble();
  co_return found->value_or("");
}

Task<Result<KeyedChains>> ServerNames::find(std::string maps,
                                            std::string name) {
  const auto tables = tables::split_table_names(maps);
  if (!tables) co_return tables.trouble();
  const std::vector<std::string> keys = keys_of(name);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    for (std::size_t t = 0; t < tables->size(); ++t) {
      std::string table = (*tables)[t];
      Result<std::string> value =
          co_await look_up(std::move(table), keys[k]);
      if (!value) co_return value.trouble();
      if (!value->empty()) co_return chains_of_value(maps, keys[k], *value);
    }
  }
  co_return KeyedChains{};
}

Result<KeyedChains> ServerNames::chains_of_value(const std::string& maps,
                                                 const std::string& key,
                                                 const std::string& value) {
  auto& known = known_[maps];
  const auto found = known.find(key);
  if (found != known.end() && found->second.value == value)
    return found->second.chains;
  const std::optional<std::string> text = base64_decode(value);
  if (!text)
    return give_up("3.5", "tls_server_sni_maps: the value of \"" + key +
                              "\" is no file's content; make the table with "
                              "postmap -F");
  Result<KeyedChains> chains =
      authd::chains_of(*text, "the files of \"" + key +
                                  "\" (tls_server_sni_maps)");
  if (!chains) return chains.trouble();
  if (known.size() >= most_remembered) known.clear();
  known[key] = {value, *chains};
  return chains;
}

std::shared_ptr<const KeyedChain> ServerNames::key(
    const std::string& maps, const std::string& key_name) {
  const auto known = known_.find(maps);
  if (known == known_.end()) return nullptr;
  for (const auto& [name, entry] : known->second)
    for (const auto& chain : entry.chains)
      if (chain->key_name == key_name) return chain;
  return nullptr;
}

}  // namespace postern::authd
