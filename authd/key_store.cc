#include "authd/key_store.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::authd {
namespace {

const std::string& pem(const KeyFiles::Content& content) { return *content; }

Result<KeyedChains> parse(const KeySources& sources,
                          const std::vector<KeyFiles::Content>& contents) {
  if (!sources.chain_files.empty()) {
    std::string all;
    for (const KeyFiles::Content& each : contents) all += pem(each) + "\n";
    return chains_of(all, join(sources.chain_files, ", "));
  }
  KeyedChains out;
  for (std::size_t i = 0; i < sources.pairs.size(); ++i) {
    Result<KeyedChains> one =
        chain_of_pair(pem(contents[2 * i]), sources.pairs[i].first,
                      pem(contents[2 * i + 1]), sources.pairs[i].second);
    if (!one) return one.trouble();
    for (auto& chain : *one) out.push_back(std::move(chain));
  }
  return out;
}

std::shared_ptr<const KeyedChain> find_key(const KeyedChains& chains,
                                           const std::string& name) {
  for (const auto& each : chains)
    if (each->key_name == name) return each;
  return nullptr;
}

}  // namespace

KeySources KeySources::read(const config::Config& config,
                            const std::string& prefix) {
  KeySources out;
  const auto value = [&](const char* rest) {
    return config.text(prefix + rest);
  };
  out.chain_files = split_words(value("_tls_chain_files"));
  if (prefix == "smtpd") out.name_maps = config.text("tls_server_sni_maps");
  if (!out.chain_files.empty()) return out;
  const auto pair = [&](const char* certificate, const char* key) {
    const std::string file = value(certificate);
    if (!file.empty() && file != "none") out.pairs.emplace_back(file, value(key));
  };
  pair("_tls_cert_file", "_tls_key_file");
  pair("_tls_eccert_file", "_tls_eckey_file");
  return out;
}

ipc::IdentityAnswer public_half(const KeyedChains& chains,
                                const std::string& version,
                                const std::string& known) {
  ipc::IdentityAnswer answer;
  answer.version = version;
  answer.unchanged = !version.empty() && version == known;
  if (answer.unchanged) return answer;
  for (const auto& each : chains)
    answer.chains.push_back({each->key_name, each->certificates});
  return answer;
}

std::string version_of(const KeyedChains& chains) {
  std::string all;
  for (const auto& each : chains)
    for (const std::string& certificate : each->certificates)
      all += std::to_string(certificate.size()) + ":" + certificate;
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(all.data(), all.size(), bytes, &size, EVP_sha256(), nullptr);
  return base64_encode(
      std::string_view(reinterpret_cast<char*>(bytes), size));
}

Task<ipc::IdentityAnswer> KeyStore::identity(std::string row,
                                             KeySources sources,
                                             ipc::IdentityFind question) {
  if (!question.server_name.empty()) {
    co_return co_await named(std::move(sources), std::move(question));
  }
  RowKeys* keys = &rows_[row];
  Status done = co_await refresh(keys, std::move(sources));
  ipc::IdentityAnswer answer =
      public_half(keys->chains, keys->version, question.known);
  if (!done) answer.trouble = ipc::TroubleWire::from(done.trouble());
  co_return answer;
}

Task<Status> KeyStore::refresh(RowKeys* row, KeySources sources) {
  if (sources.empty())
    co_return give_up("3.5", "no certificate is configured");
  std::vector<std::string> paths = sources.chain_files;
  for (const auto& [certificate, key] : sources.pairs) {
    paths.push_back(certificate);
    paths.push_back(key);
  }
  std::vector<KeyFiles::Content> contents;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::string path = paths[i];
    Result<KeyFiles::Content> content = co_await files_.read(std::move(path));
    if (!content) co_return content.trouble();
    contents.push_back(std::move(*content));
  }
  if (contents == row->contents) co_return Status();
  Result<KeyedChains> chains = parse(sources, contents);
  if (!chains) co_return chains.trouble();
  row->contents = std::move(contents);
  const std::string version = version_of(*chains);
  if (version == row->version) co_return Status();
  row->former = std::move(row->chains);
  row->chains = std::move(*chains);
  row->version = version;
  co_return Status();
}

Task<ipc::IdentityAnswer> KeyStore::named(KeySources sources,
                                          ipc::IdentityFind question) {
  Result<KeyedChains> chains = co_await names_.find(
      std::move(sources.name_maps), question.server_name);
  ipc::IdentityAnswer answer;
  if (!chains) {
    answer.found = false;
    answer.trouble = ipc::TroubleWire::from(chains.trouble());
    co_return answer;
  }
  answer = public_half(*chains, version_of(*chains), question.known);
  answer.found = !chains->empty();
  co_return answer;
}

std::shared_ptr<const KeyedChain> KeyStore::key(const std::string& row,
                                                const KeySources& sources,
                                                const std::string& name) {
  const auto found = rows_.find(row);
  if (found != rows_.end()) {
    if (auto now = find_key(found->second.chains, name)) return now;
    if (auto before = find_key(found->second.former, name)) return before;
  }
  return names_.key(sources.name_maps, name);
}

}  // namespace postern::authd
