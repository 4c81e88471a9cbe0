#include "smtp/generic.h"

#include <utility>
#include <vector>

#include "common/mail/address.h"
#include "common/mail/tokens.h"
#include "common/tables/address_find.h"

namespace postern::smtp {
namespace {

// Of one message, so many addresses are remembered.
constexpr std::size_t most_known = 10'000;

}  // namespace

Task<Result<std::string>> GenericMap::map(std::string address) {
  if (address.empty() || empty()) co_return std::move(address);
  if (const auto found = known_.find(address); found != known_.end())
    co_return found->second;
  std::string domain(mail::split_address(address).domain);
  Result<bool> ours = co_await resolver_.is_local(std::move(domain));
  if (!ours) co_return ours.trouble();
  tables::KeyList list =
      tables::virtual_key_list(address, settings_.generic.extension, *ours);
  ipc::TableFind question;
  question.maps = settings_.generic.maps;
  question.keys = std::move(list.keys);
  question.partial_from = list.partial_from;
  Result<ipc::TableAnswer> answer =
      co_await resolver_.table(std::move(question));
  if (!answer) co_return answer.trouble();
  std::string result = address;
  if (answer->found) {
    const auto which = static_cast<std::size_t>(answer->key);
    const bool extend = settings_.generic.extend &&
                        which < list.extensions.size();
    const std::vector<std::string> mapped = tables::mapped_addresses(
        answer->value, address, extend ? list.extensions[which] : "",
        [this](const std::string& one) { return resolver_.complete(one); });
    if (!mapped.empty()) result = mapped.front();
  }
  if (known_.size() < most_known) known_.emplace(std::move(address), result);
  co_return std::move(result);
}

Task<Result<std::optional<std::string>>> GenericMap::map_header(
    std::string header, std::size_t name_length) {
  // Tables are asked first: the text is gone over in one go.
  std::map<std::string, std::string> mapped;
  const std::vector<std::string> addresses =
      mail::AddressList(std::string_view(header).substr(
                            std::min(header.find(':'), header.size() - 1) + 1),
                        settings_.address_token_limit)
          .addresses();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    std::string address = addresses[i];
    Result<std::string> one = co_await map(std::move(address));
    if (!one) co_return one.trouble();
    mapped[addresses[i]] = std::move(*one);
  }
  co_return mail::rewrite_header_addresses(
      header, name_length,
      [&mapped](const std::string& address) {
        const auto found = mapped.find(address);
        return found == mapped.end() ? address : found->second;
      },
      settings_.address_token_limit);
}

}  // namespace postern::smtp
