#include "authd/mechanisms.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/credentials/saslprep.h"

namespace postern::authd {
namespace {

struct Known {
  std::string_view name;
  std::vector<std::string> flags;
};

const std::vector<Known>& known() {
  static const std::vector<Known> all = {
      {"SCRAM-SHA-256-PLUS",
       {"dictionary", "active", "mutual-auth", "channel-binding"}},
      {"SCRAM-SHA-256", {"dictionary", "active", "mutual-auth"}},
      {"SCRAM-SHA-1-PLUS",
       {"dictionary", "active", "mutual-auth", "channel-binding"}},
      {"SCRAM-SHA-1", {"dictionary", "active", "mutual-auth"}},
      {"CRAM-MD5", {"dictionary", "active"}},
      {"PLAIN", {"plaintext"}},
      {"LOGIN", {"plaintext"}},
      {"EXTERNAL", {}},
  };
  return all;
}

bool possible(std::string_view name, const credentials::Store::Kinds& kinds,
              bool saslauthd) {
  if (name.starts_with("SCRAM-SHA-256"))
    return kinds.without_scram_sha_256 == 0 && !saslauthd;
  if (name.starts_with("SCRAM-SHA-1"))
    return kinds.without_scram_sha_1 == 0 && !saslauthd;
  if (name == "CRAM-MD5") return kinds.any_cram_md5;
  return true;
}

}  // namespace

std::vector<MechanismOffer> offers(const std::vector<std::string>& names,
                                   const credentials::Store::Kinds& kinds,
                                   bool saslauthd) {
  std::vector<MechanismOffer> out;
  for (const Known& each : known())
    if (std::find(names.begin(), names.end(), each.name) != names.end() &&
        possible(each.name, kinds, saslauthd))
      out.push_back({std::string(each.name), each.flags});
  return out;
}

Task<std::vector<MechanismOffer>> StoreBackend::mechanisms() {
  const Result<credentials::Store::Kinds> kinds = co_await users_.kinds();
  if (!kinds) log_.warning(kinds.trouble().text);
  // A store that does not open fails each log-in for now, by all of them.
  co_return offers(settings_.names,
                   kinds ? *kinds : credentials::Store::Kinds(),
                   users_.asks_saslauthd());
}

Task<Outcome> StoreBackend::run(Exchange* exchange) {
  const std::string& name = exchange->line().mechanism;
  const auto& names = settings_.names;
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    if (name == "PLAIN") {
      co_return co_await plain(exchange);
    }
    if (name == "LOGIN") {
      co_return co_await login(exchange);
    }
    if (name == "CRAM-MD5") {
      co_return co_await cram_md5(exchange);
    }
    if (name == "EXTERNAL") {
      co_return co_await external(exchange);
    }
    if (name.starts_with("SCRAM-")) {
      co_return co_await scram(exchange);
    }
  }
  co_return refused("", "a mechanism that is not offered");
}

bool same_name(std::string_view a, std::string_view b) {
  return credentials::name_key(a) == credentials::name_key(b);
}

}  // namespace postern::authd
