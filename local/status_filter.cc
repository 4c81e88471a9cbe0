#include "local/status_filter.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/mail/status.h"

namespace postern::local {

Task<> StatusFilter::edit(Outcome::Ending* ending) {
  std::string key = ending->status + " " + ending->text;
  Result<std::optional<std::string>> answer =
      co_await lookup_.find(settings_.delivery_status_filter, std::move(key));
  if (!answer) {
    log_.warning("{}: {}", settings_.status_filter_name, answer.trouble().text);
    co_return;
  }
  if (!*answer) co_return;
  mail::FilteredStatus filtered =
      mail::filter_status({ending->status, ending->text}, **answer);
  if (!filtered.complaint.empty())
    log_.warning("{}: {}", settings_.status_filter_name, filtered.complaint);
  ending->status = std::move(filtered.now.status);
  ending->text = std::move(filtered.now.text);
}

Task<> StatusFilter::release(Outcome* outcome) {
  std::vector<Outcome::Ending> held = outcome->take_held();
  for (std::size_t i = 0; i < held.size(); ++i) {
    Outcome::Ending* ending = &held[i];
    co_await edit(ending);
    outcome->publish(*ending);
  }
}

}  // namespace postern::local
