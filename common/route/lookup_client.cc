#include "common/route/lookup_client.h"

#include <utility>

#include "common/base/text.h"
#include "common/tables/maps.h"
#include "common/tables/spec.h"

namespace postern::route {
namespace {

// lookup has time limits of its own, which are shorter.
constexpr Millis table_limit{100'000};
constexpr Millis user_limit{60'000};
constexpr Millis names_limit{60'000};
constexpr Millis anvil_limit{10'000};
// Mail can do without: a new session costs less than this wait.
constexpr Millis sessions_limit{5'000};
// Sessions that wait to be kept; what is more is lost, and made anew.
constexpr std::size_t most_waiting = 100;
constexpr Millis screen_limit{10'000};

}  // namespace

LookupClient::LookupClient(Service& service)
    : lookup_(std::make_unique<SharedLink>(service, "lookup")) {
  options_.utf8 = service.config().get<"smtputf8_enable">();
  options_.warn = [log = service.log()](std::string_view line) {
    log.warning(line);
  };
}

LookupClient::LookupClient(tables::Warn warn) {
  options_.warn = std::move(warn);
}

LookupClient::LookupClient(OpensAll, tables::OpenOptions options)
    : opens_all_(true), options_(std::move(options)) {}

LookupClient::~LookupClient() = default;

Status LookupClient::preload(const std::string& maps) {
  const auto names = tables::split_table_names(maps);
  if (!names) return names.trouble();
  for (const std::string& name : *names) {
    if (tables_.contains(name)) continue;
    if (opens_all_) {
      tables_[name] = tables::open_or_unavailable(
          std::string(tables::strip_proxy(name)), options_);
      continue;
    }
    // Whether proxy: tables may be used is for lookup to say.
    if (tables::is_proxied(name)) continue;
    if (!tables::is_table_name(name) || !tables::in_memory(name)) continue;
    tables_[name] = tables::open_or_unavailable(name, options_);
  }
  if (auto whole = at_hand(maps)) lists_[maps] = std::move(*whole);
  return {};
}

std::optional<std::vector<LookupClient::Table>> LookupClient::at_hand(
    const std::string& maps) const {
  if (const auto list = lists_.find(maps); list != lists_.end())
    return list->second;
  const auto names = tables::split_table_names(maps);
  if (!names) return std::nullopt;
  std::vector<Table> found;
  for (const std::string& name : *names) {
    const auto table = tables_.find(name);
    if (table == tables_.end()) return std::nullopt;
    found.push_back(table->second);
  }
  return found;
}

bool LookupClient::has_no(const std::string& maps,
                          std::string_view key) const {
  const auto list = lists_.find(maps);
  if (list == lists_.end()) return false;
  for (const Table& table : list->second) {
    const tables::Found found = table->find(key);
    if (!found || found->has_value()) return false;
  }
  return true;
}

Result<ipc::TableAnswer> LookupClient::find_here(
    const std::vector<Table>& tables, const std::vector<std::string>& keys,
    std::int64_t partial_from) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    for (const Table& table : tables) {
      if (index >= partial_from && !table->fixed_keys()) continue;
      tables::Found found = table->find(keys[i]);
      if (!found) return found.trouble();
      if (*found)
        return ipc::TableAnswer{true, index, std::move(**found), table->name(),
                                ipc::TroubleWire::none()};
    }
  }
  return ipc::TableAnswer{};
}

template <class Q>
Task<Result<typename Q::Answer>> LookupClient::ask(Q question, Millis limit) {
  if (!lookup_) co_return try_later("3.0", "there is no lookup service here");
  co_return co_await lookup_->ask(std::move(question), limit);
}

Task<Result<ipc::TableAnswer>> LookupClient::find_first(
    std::string maps, std::vector<std::string> keys,
    std::int64_t partial_from) {
  if (opens_all_) {
    const Status opened = preload(maps);
    if (!opened) co_return opened.trouble();
  }
  if (const auto tables = at_hand(maps))
    co_return find_here(*tables, keys, partial_from);
  ipc::TableFind question;
  question.maps = std::move(maps);
  question.keys = std::move(keys);
  question.partial_from = partial_from;
  Result<ipc::TableAnswer> answer =
      co_await ask(std::move(question), table_limit);
  if (answer && answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(answer);
}

Task<Result<std::optional<std::string>>> LookupClient::find(std::string maps,
                                                            std::string key) {
  std::vector<std::string> keys;
  keys.push_back(std::move(key));
  Result<ipc::TableAnswer> answer =
      co_await find_first(std::move(maps), std::move(keys), 1);
  if (!answer) co_return answer.trouble();
  std::optional<std::string> value;
  if (answer->found) value = std::move(answer->value);
  co_return std::move(value);
}

Task<Result<std::optional<os::User>>> LookupClient::user(std::string name) {
  if (opens_all_) co_return os::find_user(name);
  ipc::UserFind question;
  question.name = std::move(name);
  co_return co_await find_user(std::move(question));
}

Task<Result<std::optional<os::User>>> LookupClient::user_by_id(
    std::int64_t id) {
  ipc::UserFind question;
  question.id = id;
  co_return co_await find_user(std::move(question));
}

Task<Result<std::optional<os::User>>> LookupClient::find_user(
    ipc::UserFind question) {
  Result<ipc::UserAnswer> answer =
      co_await ask(std::move(question), user_limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  std::optional<os::User> user;
  if (answer->found) {
    user.emplace();
    user->name = answer->name;
    user->uid = static_cast<uid_t>(answer->uid);
    user->gid = static_cast<gid_t>(answer->gid);
    user->full_name = answer->full_name;
    user->home = answer->home;
    user->shell = answer->shell;
  }
  co_return std::move(user);
}

Task<ipc::MailHostsAnswer> LookupClient::mail_hosts(
    ipc::MailHostsFind question) {
  Result<ipc::MailHostsAnswer> answer =
      co_await ask(std::move(question), names_limit);
  if (answer) co_return std::move(*answer);
  ipc::MailHostsAnswer failed;
  failed.trouble = ipc::TroubleWire::from(answer.trouble());
  co_return std::move(failed);
}

Task<ipc::ClientNameAnswer> LookupClient::client_name(std::string address) {
  ipc::ClientNameFind question;
  question.address = std::move(address);
  Result<ipc::ClientNameAnswer> answer =
      co_await ask(std::move(question), names_limit);
  if (answer) co_return std::move(*answer);
  ipc::ClientNameAnswer failed;
  failed.name = failed.reverse_name = "unknown";
  failed.name_code = failed.reverse_code = 4;
  failed.warning = answer.trouble().text;
  co_return std::move(failed);
}

Task<Result<std::string>> LookupClient::file(std::string path,
                                             std::string what) {
  ipc::FileFind question;
  question.path = std::move(path);
  question.what = std::move(what);
  Result<ipc::FileAnswer> answer =
      co_await ask(std::move(question), table_limit);
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(answer->content);
}

Task<ipc::DnsAnswer> LookupClient::dns(std::string name, std::string type,
                                       bool dnssec) {
  ipc::DnsFind question;
  question.dnssec = dnssec;
  question.name = std::move(name);
  question.type = std::move(type);
  Result<ipc::DnsAnswer> answer =
      co_await ask(std::move(question), names_limit);
  if (answer) co_return std::move(*answer);
  ipc::DnsAnswer failed;
  failed.status = "servfail";
  failed.text = answer.trouble().text;
  co_return std::move(failed);
}

Task<std::string> LookupClient::tls_session(std::string key) {
  ipc::TlsSessionFind question;
  question.key = std::move(key);
  Result<ipc::TlsSessionAnswer> answer =
      co_await ask(std::move(question), sessions_limit);
  if (answer) co_return std::move(answer->session);
  co_return std::string();
}

void LookupClient::keep_tls_session(std::string key, std::string session) {
  if (!lookup_ || sending_.size() >= most_waiting) return;
  ipc::TlsSessionKeep kept;
  kept.key = std::move(key);
  kept.session = std::move(session);
  sending_.start(send(std::move(kept)));
}

Task<void> LookupClient::send(ipc::TlsSessionKeep kept) {
  Result<ipc::Link*> link = co_await lookup_->get(sessions_limit);
  if (link) (*link)->send(kept);
}

Task<Result<ipc::VerifyAnswer>> LookupClient::verify(
    ipc::VerifyFind question) {
  const Millis limit = table_limit + Millis(question.wait);
  co_return co_await ask(std::move(question), limit);
}

Task<Result<ipc::VerifyNoted>> LookupClient::verified(ipc::VerifyNote note) {
  co_return co_await ask(std::move(note), table_limit);
}

Task<Result<ipc::ScreenAnswer>> LookupClient::screened(std::string address) {
  ipc::ScreenFind question;
  question.address = std::move(address);
  Result<ipc::ScreenAnswer> answer =
      co_await ask(std::move(question), screen_limit);
  if (answer && answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(answer);
}

Task<Result<ipc::ScreenAnswer>> LookupClient::keep_screened(
    std::string address, std::string line) {
  ipc::ScreenKeep note;
  note.address = std::move(address);
  note.line = std::move(line);
  Result<ipc::ScreenAnswer> answer =
      co_await ask(std::move(note), screen_limit);
  if (answer && answer->trouble.present) co_return answer->trouble.trouble();
  co_return std::move(answer);
}

Task<ipc::DnsListAnswer> LookupClient::dns_list(std::string name,
                                                Millis limit) {
  ipc::DnsListFind question;
  question.name = std::move(name);
  Result<ipc::DnsListAnswer> answer =
      co_await ask(std::move(question), limit);
  if (answer) co_return std::move(*answer);
  ipc::DnsListAnswer failed;
  failed.status = "timeout";
  failed.text = answer.trouble().text;
  co_return std::move(failed);
}

Task<Result<ipc::AnvilAnswer>> LookupClient::anvil(std::string event,
                                                   std::string client) {
  ipc::AnvilNote note;
  note.event = std::move(event);
  note.client = std::move(client);
  co_return co_await ask(std::move(note), anvil_limit);
}

}  // namespace postern::route
